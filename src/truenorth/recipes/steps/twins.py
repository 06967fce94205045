"""The twin of each row, in which the terms of one group stand for those of another."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.recipes.run_limits import Swaps
from truenorth.recipes.run_rows import as_lesson, taken
from truenorth.recipes.run_work import Load, Rows, Work
from truenorth.recipes.settings import Settings
from truenorth.synth.counterfactual import GENDER, UNCLEAR, counterfactual


def twins(rows: Rows, work: Work, *, swap: Swaps = ()) -> Rows:
    """The twins alone; the rows themselves are named beside them where something learns from both.

    Args:
        swap: terms that change places, "he / she" each; by default English words of gender, and rows with one that has
            more than one counterpart ("her") have no twin.

    Source: Lu et al. 2018 (arXiv:1807.11714), counterfactual data augmentation.
    """
    pairs = [_pair(text) for text in swap] or list(GENDER)
    found = counterfactual(rows, pairs=pairs, unclear=() if swap else UNCLEAR)
    return [as_lesson(row) for row in taken(work, found, "twins")]


def _pair(text: str) -> tuple[str, str]:
    one, _, other = (part.strip() for part in text.partition("/"))
    return one, other


def forecast(rows: Sequence[float], settings: Settings, *, swap: tuple[str, ...] = ()) -> Load:
    return Load(rows[0])
