"""Pairs without a judge: what the model says under a principle, preferred to what it says without or against it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from truenorth.base import UserError
from truenorth.judges.checks._text import applies
from truenorth.models.protocol import Model
from truenorth.recipes.run_limits import Count, Weight
from truenorth.recipes.run_rows import as_lesson, taken
from truenorth.recipes.run_work import Have, Load, Pairs, Prompts, Work, lacks_guidance
from truenorth.recipes.settings import Settings
from truenorth.records import Row, prompt_text
from truenorth.synth.contrast import Opposites
from truenorth.synth.contrast import contrast as contrasted


def contrast(
    prompts: Prompts, model: Model, work: Work, *, n: Count = 1, against: str = "", gap: Weight = 0.0
) -> Pairs:
    """`n` pairs a prompt, each under one principle drawn from those that speak of the prompt.

    Args:
        against: what the worse answer is told, with {guidance} for the principle's; by default nothing at all.
        gap: least difference that the guidance must make, in nats a token; 0 asks nothing.

    Raises:
        UserError: no principle has guidance.

    Source: Yang et al. 2023, RLCD (arXiv:2307.12950), section 3.
    """
    if not work.guidance:
        where, fix = "step contrast", "give principles a line of guidance; models need a chat template"
        raise UserError("no principle has guidance that the model could be given", where=where, fix=fix)
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in prompts:
        groups[speaking(work, prompt_text(row.data["prompt"]))].append(row)
    rows = []
    with work.progress("contrasting answers", 2 * len(prompts)) as tick:
        for names, members in groups.items():
            told = [work.guidance[name] for name in names]
            opposites = [Opposites(g, against.replace("{guidance}", g), k) for k, g in zip(names, told)]
            found = contrasted(
                model,
                members,
                opposites,
                n=n,
                gap=gap,
                constitution=work.label,
                max_tokens=work.settings.max_tokens,
                seed=work.settings.seed,
                tick=tick,
            )
            rows += [as_lesson(row) for row in taken(work, found, "contrasts")]
    return rows


def speaking(work: Work, prompt: str) -> tuple[str, ...]:
    """The principles with guidance that apply to a prompt; all of them, where none does."""
    found = [
        p.id
        for p in work.job.constitution.principles
        if p.id in work.guidance and applies(p.applies_when.prompt if p.applies_when else (), prompt)
    ]
    return tuple(found or work.guidance)


def forecast(
    rows: Sequence[float], settings: Settings, *, n: int = 1, against: str = "", gap: float = 0.0
) -> Load:
    return Load(0.8 * n * rows[0], answers=2 * n * rows[0], reads=4 * n * rows[0] * bool(gap))


def lacks(have: Have, **settings: object) -> str:
    return lacks_guidance(have)
