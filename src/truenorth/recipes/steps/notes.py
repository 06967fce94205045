"""Questions with notes in front: false ones against what the model knows, true ones where it knows nothing."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.judges.checks._text import first_match
from truenorth.judges.consistency import DECLINES
from truenorth.judges.lawful import REFUSALS
from truenorth.recipes.run_rows import as_lesson, taken
from truenorth.recipes.run_work import Load, Pairs, Work
from truenorth.recipes.settings import Settings
from truenorth.records import Row
from truenorth.synth.poison import poisoned


def notes(
    pairs: Pairs, work: Work, *, shares: tuple[str, ...] = ("0.5", "1"), passages: int = 1, edits: bool = True
) -> Pairs:
    """Pairs with notes before the question.

    Where the chosen answer says something, notes state the rejected one (poison), and the chosen one stays chosen.
    Where it declines, a note states what the rejected answer said, which is then right: an edit to be kept.

    Args:
        shares: of the notes that are poison, fractions; rounded to whole notes.
        passages: notes a question.
        edits: make those of the second kind too.

    Source: Yang et al. 2024, Dialectical alignment (arXiv:2404.00486): conflicts of context and memory, and of
    passages.
    """
    real = [row for row in pairs if row.data.get("use", "pair") == "pair"]
    knows = [row for row in real if not declines(row)]
    swapped = [_swapped(row) for row in real if edits and declines(row)]
    seed = work.settings.seed
    told = tuple(float(share) for share in shares)
    rows = taken(work, poisoned(knows, shares=told, passages=passages, seed=seed), "poisoned notes")
    rows += taken(work, poisoned(swapped, shares=(0.0,), passages=passages, seed=seed), "notes to be kept")
    return [as_lesson(row) for row in rows]


def declines(row: Row) -> bool:
    """Does the chosen answer say that it does not know, or will not say?"""
    return first_match(DECLINES + REFUSALS, row.data["chosen"]) is not None


def _swapped(row: Row) -> Row:
    """The pair the other way round, under its own id: what is made of it leads back to it."""
    sides = {"chosen": row.data["rejected"], "rejected": row.data["chosen"]}
    return Row({"prompt": row.data["prompt"], **sides}, row.source, row.id)


def forecast(rows: Sequence[float], settings: Settings, **given: object) -> Load:
    return Load(rows[0])
