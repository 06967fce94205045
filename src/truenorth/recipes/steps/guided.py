"""Answers under all principles at once, kept without them: what the principles do in context is to be learned."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.base import UserError
from truenorth.models.protocol import Model
from truenorth.recipes.run_limits import Amount, Count
from truenorth.recipes.run_rows import taken
from truenorth.recipes.run_work import Answers, Have, Load, Prompts, Work, lacks_guidance
from truenorth.recipes.settings import Settings
from truenorth.records import Row, Source, as_messages
from truenorth.synth.guided import guided as answered


def guided(
    prompts: Prompts, model: Model, work: Work, *, n: Count = 1, examples: Amount = 0, leak: Count = 6
) -> Answers:
    """`n` answers a prompt, given under the guidance of every principle; the rows have the bare prompt.

    Args:
        examples: good answers of the constitution that stand before the prompt as earlier turns.
        leak: an answer that repeats so many words in a row of the guidance is left out.

    Raises:
        UserError: no principle has guidance.

    Sources: Askell et al. 2021 (arXiv:2112.00861), context distillation; Sun et al. 2023, SELF-ALIGN
    (arXiv:2305.03047), where examples stand beside the rules.
    """
    if not work.guidance:
        where, fix = "step guided", "give principles a line of guidance; models need a chat template"
        raise UserError("no principle has guidance that the model could be given", where=where, fix=fix)
    with work.progress("guided answers", len(prompts)) as tick:
        found = answered(
            model,
            prompts,
            context=" ".join(work.guidance.values()),
            shown=shown(work)[:examples],
            n=n,
            leak=leak,
            constitution=work.label,
            max_tokens=work.settings.max_tokens,
            seed=work.settings.seed,
            tick=tick,
        )
    return taken(work, found, "guided answers")


def shown(work: Work) -> list[Row]:
    """The good examples of the constitution, in its order."""
    return [
        Row(
            {"prompt": as_messages(e.prompt), "completion": e.good},
            Source("constitution", "people", principle=p.id, constitution=work.label),
        )
        for p in work.job.constitution.principles
        for e in p.examples
        if e.good
    ]


def forecast(
    rows: Sequence[float], settings: Settings, *, n: int = 1, examples: int = 0, leak: int = 6
) -> Load:
    return Load(0.9 * n * rows[0], answers=n * rows[0])


def lacks(have: Have, **settings: object) -> str:
    return lacks_guidance(have)
