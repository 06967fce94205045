"""One label an answer from many people's: Dawid and Skene's posterior of approvals, the mean of everything else.

Source: Dawid and Skene (1979), `stats.dawid_skene`: whoever is often wrong counts for less, and whoever says the
opposite counts the other way round. Rankings of one task are put together by `stats.ranked_pairs` instead, from the
rows of `label_rows.rankings`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Sequence
from typing import NamedTuple

from truenorth.records.label_rows import valued
from truenorth.records.labels import Annotations, Gold, Label
from truenorth.records.types import Row, Source
from truenorth.stats import dawid_skene


class Item(NamedTuple):
    """What several people said the same kind of thing about."""

    answer: str
    kind: str
    principle: str


class Vote(NamedTuple):
    """One person's approval of one thing, or its refusal."""

    item: Hashable
    annotator: str
    good: bool


def consensus(
    found: Annotations,
    trials: Sequence[Label] = (),
    gold: Sequence[Gold] = (),
    reviewers: Collection[str] = (),
) -> list[Row]:
    """Rows of prompt, completion, label in [0, 1] and votes, one for each answer, kind of label and principle; without
    answers that rankings together put in the very middle.

    Args:
        trials: labels of tasks whose answer is known. gold: what is known of them.
        reviewers: people whose word holds where they said something.
    """
    said: dict[Item, list[Row]] = defaultdict(list)
    for kind, row in valued(found):
        said[Item(row.source.parents[0], kind, row.source.principle)].append(row)
    votes = [
        Vote(item, row.data["annotator"], row.data["label"])
        for item, rows in said.items()
        if item.kind == "approve"
        for row in rows
    ]
    truth = chances(votes, trials, gold)
    made = []
    for item, rows in said.items():
        final = [row for row in rows if row.data["annotator"] in reviewers]
        made.append(_row(item, final, None, "review") if final else _by_all(item, rows, truth.get(item)))
    return [row for item, row in zip(said, made) if item.kind != "rank" or row.data["label"] != 0.5]


def _by_all(item: Item, rows: list[Row], chance: float | None) -> Row:
    return _row(item, rows, chance, "mean" if chance is None else "dawid-skene")


def chances(
    votes: Sequence[Vote], trials: Sequence[Label] = (), gold: Sequence[Gold] = ()
) -> dict[Hashable, float]:
    """Item -> the chance that it is good, from everybody's approvals.

    How often each person is wrong is told by what others said of the same, and by approvals of gold tasks
    (`trials`), whose truth is fixed. Nothing where neither is there, or all votes are alike.
    """
    known = {(g.task, g.answer): bool(g.value) for g in gold if g.kind == "approve"}
    tried = [
        Vote((x.task, x.answer), x.annotator, x.value)
        for x in trials
        if x.kind == "approve" and (x.task, x.answer) in known
    ]
    shared = Counter(vote.item for vote in votes)
    everything = [*votes, *tried]
    if not (tried or any(n > 1 for n in shared.values())) or len({vote.good for vote in everything}) < 2:
        return {}
    fixed = {vote.item: known[vote.item] for vote in tried}  # type: ignore[index]
    if len(set(fixed.values())) == 1:
        fixed, everything = {}, list(votes)  # one side alone says nothing of the other
        if len({vote.good for vote in everything}) < 2:
            return {}
    crowd = dawid_skene(everything, gold=fixed)
    chance_N = crowd.posterior[:, crowd.labels.index(True)]
    mine = {vote.item for vote in votes}
    return {item: chance for item, chance in zip(crowd.items, chance_N.tolist()) if item in mine}


def _row(item: Item, rows: list[Row], label: float | None, how: str) -> Row:
    """The rows' label together: as it is given, else their mean."""
    first, mean = rows[0], sum(float(row.data["label"]) for row in rows) / len(rows)
    kept = {k: v for k, v in first.data.items() if k in ("prompt", "completion", "model", "principle")}
    source = Source(
        f"people:{how}",
        family="people",
        principle=item.principle,
        constitution=first.source.constitution,
        parents=tuple(row.id for row in rows),
        note=f"{item.kind} by {len(rows)}",
    )
    return Row(kept | {"label": round(mean if label is None else label, 6), "votes": len(rows)}, source)
