"""A model compares answers in both orders; where both orders agree, one is preferred."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from truenorth.base import UserError
from truenorth.judges import Judge
from truenorth.recipes.run_work import Answers, Load, Pairs, Work, as_lesson, taken
from truenorth.recipes.settings import Settings
from truenorth.synth.comparisons import Compares, pairs_from_comparisons


def preferences(answers: Answers, judge: Judge, work: Work, *, margin: float = 0.1, most: int = 1) -> Pairs:
    """At most `most` pairs a prompt, where the better answer's share over both orders is above one half by `margin`.

    The judge must compare: `self`, `self:STEP`.
    Source: Bai et al. 2022 (arXiv:2212.08073), section 4.1; both orders as in Zheng et al. 2023 (arXiv:2306.05685).
    """
    if not hasattr(judge, "compare"):
        raise UserError(f"{judge.name} compares nothing", where="step preferences", expected="judge: self")
    seed, label = work.settings.seed, work.label
    found = pairs_from_comparisons(
        answers, cast(Compares, judge), margin=margin, most=most, seed=seed, constitution=label
    )
    return [as_lesson(row) for row in taken(work, found, "comparisons")]


def forecast(rows: Sequence[float], settings: Settings, *, margin: float = 0.1, most: int = 1) -> Load:
    prompts = min(rows[0], settings.prompts)
    return Load(0.5 * most * prompts, reads=2 * most * prompts)
