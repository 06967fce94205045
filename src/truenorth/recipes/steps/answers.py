"""What a model answers: plainly, under each principle's guidance, and without the user's opinion."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.models.protocol import Model
from truenorth.recipes.run_limits import Amount
from truenorth.recipes.run_work import Answers, Have, Load, Prompts, Work, changed, lacks_guidance
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import answer


def answers(
    prompts: Prompts,
    model: Model,
    work: Work,
    *,
    n: Amount | None = None,
    guided: Amount | None = None,
    unbiased: Amount | None = None,
) -> Answers:
    """`n` plain answers a prompt, `guided` under each principle, `unbiased` to the question without an opinion.

    Equal answers stand once. Defaults are the job's `samples`, `guided` and `unbiased`.
    """
    settings = changed(work.settings, samples=n, guided=guided, unbiased=unbiased)
    ways = 1 + len(work.guidance) * bool(settings.guided)
    with work.progress("answers", len(prompts) * ways) as tick:
        return answer(model, prompts, work.guidance, settings, tick=tick, count=work.count)


def forecast(rows: Sequence[float], settings: Settings, **given: int | None) -> Load:
    s = changed(settings, samples=given.pop("n", None), **given)
    drawn = rows[0] * (s.samples + 4 * s.guided + 0.15 * s.unbiased)
    return Load(0.8 * drawn, answers=drawn)


def lacks(have: Have, **settings: object) -> str:
    return lacks_guidance(have) if settings.get("guided") else ""
