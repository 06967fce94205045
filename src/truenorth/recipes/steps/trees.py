"""Conversation trees with several people's rankings of the replies, merged into one order and into pairs."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.base import UserError, read_jsonl
from truenorth.recipes.run_limits import Count, File
from truenorth.recipes.run_rows import as_lesson, plain
from truenorth.recipes.run_work import Load, Pairs, Work
from truenorth.recipes.settings import Settings
from truenorth.recipes.steps.crowd import Trees
from truenorth.records import Row
from truenorth.synth.trees import from_oasst, merge, preference_rows


def trees(work: Work, asked: Trees = (), *, file: File = "", least: Count = 1, margin: Count = 1) -> Pairs:  # type: ignore[assignment]
    """A pair for every two replies of which a majority put one above the other, in the merged order.

    Args:
        file: JSONL, a tree a line, as OpenAssistant exports them, with `rankings` (lists of ids of replies, best first)
            where there are several people's; it takes the place of an earlier step's trees.
        least: rankings below which a set of replies makes no pairs. margin: of people, below which a pair is none.

    Raises:
        UserError: neither a file nor trees of an earlier step.

    Source: Köpf et al. 2023 (arXiv:2304.07327); Tideman 1987, ranked pairs.
    """
    given = list(read_jsonl(file)) if file else [row.data["tree"] for row in asked]
    if not given:
        fix = "trees.file=FILE, or the trees of an earlier step"
        raise UserError("there are no trees", where="step trees", fix=fix)
    rows: list[Row] = []
    for tree in given:
        merged = merge(from_oasst(tree), least=least)
        work.count("sets of replies with too few rankings", len(merged.unranked))
        rows += [row for row in preference_rows(merged) if row.data["margin"] >= margin]
    return [as_lesson(plain(row)) for row in rows]


def forecast(rows: Sequence[float], settings: Settings, **given: object) -> Load:
    return Load(3 * rows[0] if rows else settings.prompts)
