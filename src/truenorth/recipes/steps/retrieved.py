"""Answers under the guidelines that a library has for each prompt."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.models.guidelines import with_guidelines
from truenorth.models.protocol import Model
from truenorth.recipes.run_limits import Count, Share
from truenorth.recipes.run_rows import answered
from truenorth.recipes.run_work import Answers, Guidelines, Load, Prompts, Work
from truenorth.recipes.settings import Settings
from truenorth.synth.guidelines import Library


def retrieved(
    prompts: Prompts,
    guidelines: Guidelines,
    model: Model,
    work: Work,
    *,
    n: Count = 1,
    k: Count = 1,
    near: Count = 8,
    least: Share = 0.2,
) -> Answers:
    """`n` answers a prompt, given under at most `k` guidelines of the library; the rows have the bare prompt.

    Args:
        near: inputs of the library that are nearest to a prompt and say what each guideline gains.
        least: gain from which a guideline is given.

    Source: Luo et al. 2024, Guide-Align (arXiv:2403.11838), whose second stage learns such answers (Labrador).
    """
    told = with_guidelines(model, Library.of_rows(guidelines, k=k, near=near, least=least))
    return answered(work, told, prompts, n, "answers under guidelines")


def forecast(rows: Sequence[float], settings: Settings, *, n: int = 1, **given: float) -> Load:
    return Load(0.9 * n * rows[0], answers=n * rows[0])
