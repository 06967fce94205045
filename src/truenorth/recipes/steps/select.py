"""Few rows that stand for many: good, and not alike; or those that say most together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from truenorth.base import seed_of
from truenorth.recipes.run_limits import Count, Share, SomeShare, one_of
from truenorth.recipes.run_rows import taken
from truenorth.recipes.run_work import Answers, Load, Work
from truenorth.recipes.settings import Settings
from truenorth.records import Row
from truenorth.synth.embed import ngrams
from truenorth.synth.filters import Filtered, keep, row_text
from truenorth.synth.information import most_information, soft_labels
from truenorth.synth.scores import deita

WAYS = ("deita", "information", "random")


def select(
    rows: Answers,
    work: Work,
    *,
    share: SomeShare = 0.1,
    by: Annotated[str, one_of(WAYS)] = "deita",
    most: Share = 0.9,
    labels: Count = 64,
) -> Answers:
    """A `share` of the rows, by their scores (1 where they have none) and by how like their prompts are.

    Args:
        by: "deita" (best first, none like a better one), "information" (most said together), or "random".
        most: cosine above which two prompts are alike, for deita.
        labels: landmarks among the prompts, for information.

    Sources: Liu et al. 2023, Deita (arXiv:2312.15685); Chen et al. 2025, MIG (arXiv:2504.13835).
    """
    limit = max(1, round(share * len(rows)))
    scores = [1.0 if row.data.get("score") is None else float(row.data["score"]) for row in rows]
    if by == "deita":
        return taken(work, deita(rows, scores, limit, most=most), "selected")
    if by == "information":
        vectors = soft_labels(ngrams([row_text(row) for row in rows]), labels)
        picks = set(most_information(vectors, limit, quality=[max(0.0, s) for s in scores]).picks)
    else:
        picks = set(sorted(range(len(rows)), key=lambda i: _draw(work, rows[i]))[:limit])
    found: Filtered = keep(rows, ["" if i in picks else "less" for i in range(len(rows))])
    return taken(work, found, "selected")


def _draw(work: Work, row: Row) -> int:
    return seed_of("select", work.settings.seed, row.id)


def forecast(
    rows: Sequence[float],
    settings: Settings,
    *,
    share: float = 0.1,
    by: str = "deita",
    most: float = 0.9,
    labels: int = 64,
) -> Load:
    return Load(share * rows[0])
