"""One label an answer from many people's: Dawid and Skene's posterior of approvals, the mean of everything else.

Source: Dawid and Skene (1979), `stats.dawid_skene`: whoever is often wrong counts for less, and whoever says the
opposite counts the other way round. Rankings of one task are put together by `stats.ranked_pairs` instead, from the
rows of `label_rows.rankings`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from truenorth.records.label_rows import labels
from truenorth.records.labels import Annotations
from truenorth.records.types import Row, Source
from truenorth.stats import dawid_skene


class Item(NamedTuple):
    """What several people said the same kind of thing about."""

    answer: str
    kind: str
    principle: str


def consensus(found: Annotations) -> list[Row]:
    """Rows of prompt, completion, label in [0, 1] and votes, one for each answer, kind of label and principle."""
    said: dict[Item, list[Row]] = defaultdict(list)
    for row in labels(found):
        said[Item(row.source.parents[0], _kind(row), row.source.principle)].append(row)
    truth = posterior(said)
    return [_row(item, rows, truth) for item, rows in said.items()]


def posterior(said: Mapping[Item, list[Row]]) -> dict[Item, float]:
    """Item -> the chance that it is good, from everybody's approvals; nothing where nobody shares an item."""
    votes = [
        (item, row.data["annotator"], row.data["label"])
        for item, rows in said.items()
        if item.kind == "approve"
        for row in rows
    ]
    shared = Counter(item for item, _, _ in votes)
    if not any(n > 1 for n in shared.values()) or len({value for _, _, value in votes}) < 2:
        return {}
    crowd = dawid_skene(votes)
    chance_N = crowd.posterior[:, crowd.labels.index(True)]
    return dict(zip(crowd.items, chance_N.tolist()))  # type: ignore[arg-type]


def _row(item: Item, rows: list[Row], truth: Mapping[Item, float]) -> Row:
    first, mean = rows[0], sum(float(row.data["label"]) for row in rows) / len(rows)
    kept = {k: v for k, v in first.data.items() if k in ("prompt", "completion", "model", "principle")}
    how = "dawid-skene" if item in truth else "mean"
    source = Source(
        f"people:{how}",
        family="people",
        principle=item.principle,
        constitution=first.source.constitution,
        parents=tuple(row.id for row in rows),
        note=f"{item.kind} by {len(rows)}",
    )
    return Row(kept | {"label": round(truth.get(item, mean), 6), "votes": len(rows)}, source)


def _kind(row: Row) -> str:
    return "rate" if "rating" in row.data else "approve" if isinstance(row.data["label"], bool) else "rank"
