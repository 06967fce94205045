"""What each prompt leaves unsaid: complements by the model itself, kept where a judge finds the answers better."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.base import UserError
from truenorth.judges import Judge
from truenorth.models.protocol import Model
from truenorth.recipes.run_limits import Count, Share, Writing
from truenorth.recipes.run_rows import taken
from truenorth.recipes.run_work import Answers, Have, Load, Prompts, Work
from truenorth.recipes.settings import Settings
from truenorth.synth.complements import asked_complements, own_complements, some_of
from truenorth.synth.complements import complements as kept_by_gain


def complements(
    prompts: Prompts,
    model: Model,
    judge: Judge,
    work: Work,
    *,
    tried: Count = 4,
    n: Count = 2,
    margin: Share = 0.3,
    way: Writing = "list",
) -> Answers:
    """A row a prompt: the best of `tried` complements as the completion, or "Nothing." where the prompt needs none.

    Args:
        n: answers with each complement and without, of which the judge's mean score is taken.
        margin: least gain.
        way: "list" asks for complements; "turns" has a chat model write in the system's place of its template, and
            tries some of what it writes there, for small models.

    Raises:
        UserError: the model wrote no complements.

    Source: Zheng et al. 2024, PAS (arXiv:2407.06027), section 3.
    """
    seed = work.settings.seed
    with work.progress("answers with complements", (1 + tried) * len(prompts)) as tick:
        if way == "turns":
            own = own_complements(model, draws=256, seed=seed)
            texts = some_of(own, prompts, tried, seed=seed)
        else:
            texts = asked_complements(model, prompts, tried, seed=seed)
        if not any(texts):
            raise UserError(
                "the model wrote no complements",
                where="step complements",
                fix="way: turns, or a larger model",
            )
        found = kept_by_gain(
            model,
            judge,
            prompts,
            texts,
            n=n,
            margin=margin,
            max_tokens=work.settings.max_tokens,
            seed=seed,
            tick=tick,
        )
    return taken(work, found, "complements")


def forecast(
    rows: Sequence[float], settings: Settings, *, tried: int = 4, n: int = 2, **given: object
) -> Load:
    drawn = (1 + tried) * n * rows[0]
    return Load(0.6 * rows[0], answers=drawn, reads=drawn)


def lacks(have: Have, **settings: object) -> str:
    return "" if have.chats else "needs a chat template, to put complements into the system turn"
