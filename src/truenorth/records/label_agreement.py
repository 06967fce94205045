"""How far people agree on the same answers, by kind of label, with intervals clustered by task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from truenorth.records.label_rows import ballot
from truenorth.records.labels import Kind, Label
from truenorth.stats import Estimate, kappa, krippendorff, mean
from truenorth.stats.reliability import Level

SCALES: dict[Kind, Level] = {"rank": "nominal", "rate": "ordinal", "approve": "nominal"}


class Agreement(NamedTuple):
    """Of one kind of label.

    alpha: Krippendorff's; ratings count as ordinal, a ranking as one vote a pair of answers.
    same: the share of pairs of people who said the very same, by item.
    kappa: Cohen's, where exactly two people said something; None otherwise.
    items: answers (pairs of answers, for rankings) that two people or more labelled.
    people: how many.
    """

    kind: Kind
    alpha: Estimate
    same: Estimate
    kappa: Estimate | None
    items: int
    people: int


def agreement(labels: Sequence[Label], kind: Kind) -> Agreement:
    """What the labels that hold say of agreement. Nothing in common: nan, never 0."""
    said: dict[tuple[str, ...], dict[str, Hashable]] = defaultdict(dict)
    for label in labels:
        if label.kind == "rank" == kind:
            for vote in ballot(label):
                said[label.task, vote.first, vote.second, label.principle][label.annotator] = vote.outcome
        elif label.kind == kind:
            said[label.task, label.answer, label.principle][label.annotator] = label.value
    both = {item: votes for item, votes in said.items() if len(votes) > 1}
    people = sorted({name for votes in said.values() for name in votes})
    rows = [[votes.get(name) for name in people] for votes in both.values()]
    tasks = [item[0] for item in both]
    clusters = tasks if len(set(tasks)) > 1 else None
    alpha = krippendorff(rows, scale=SCALES[kind], clusters=clusters)
    shares = [_same(list(votes.values())) for votes in both.values()]
    same = mean(shares, clusters=clusters)
    pair = None
    if len(people) == 2 and rows:
        pair = kappa([row[0] for row in rows], [row[1] for row in rows], clusters=clusters)
    return Agreement(kind, alpha, same, pair, len(both), len(people))


def _same(votes: Sequence[Hashable]) -> float:
    """The share of pairs of votes that are equal."""
    n = len(votes)
    equal = sum(votes[i] == votes[j] for i in range(n) for j in range(i))
    return equal / (n * (n - 1) / 2)
