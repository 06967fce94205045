"""Preferences without a judge: answers of what should be better are preferred to answers of what should be worse."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.recipes.run_limits import Weight
from truenorth.recipes.run_rows import as_lesson, taken
from truenorth.recipes.run_work import Answers, Load, Pairs, Work
from truenorth.recipes.settings import Settings
from truenorth.records import Row
from truenorth.synth.strength import pairs_from_strength


def ranked(better: Answers, worse: Answers, work: Work, *, ratio: Weight = 0.0) -> Pairs:
    """Pairs of the answers that two sides gave to one prompt: better above worse, whatever they say.

    Args:
        ratio: longest chosen answer, in words, relative to the rejected one, and the other way round; 0: any.

    Source: Kim et al. 2023, ALMoST (arXiv:2305.13735), section 2.1.
    """
    rows = [*_setup(better, "better"), *_setup(worse, "worse")]
    found = pairs_from_strength(rows, [["better", "worse"]], ratio=ratio, seed=work.settings.seed)
    return [as_lesson(row) for row in taken(work, found, "ranked pairs")]


def _setup(rows: Sequence[Row], name: str) -> list[Row]:
    return [Row({**row.data, "setup": name}, row.source, row.id) for row in rows]


def forecast(rows: Sequence[float], settings: Settings, *, ratio: float = 0.0) -> Load:
    return Load(0.9 * rows[0] * rows[1] / settings.prompts)  # each of one side with each of the other
