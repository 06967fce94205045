"""Labels in layers: many people label, doubtful items go to experts, and a random audit says how good the rest is.

The crowd's labels are weighed by what each person is worth (`stats.dawid_skene`); what experts say is taken as true and
teaches the next round who is worth what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from truenorth.base import UserError, seed_of, uniform
from truenorth.stats import Estimate, rate
from truenorth.stats.crowd import Crowd, Label, dawid_skene

Experts = Callable[[Sequence[Hashable]], Mapping[Hashable, Hashable]]
By = Literal["crowd", "expert", "open"]


class Decision(NamedTuple):
    """`label` None: nobody could tell. `sure`: its probability; 1 where an expert said it."""

    label: Hashable
    sure: float
    by: By


class Review(NamedTuple):
    """`audit`: how often the crowd was right on items drawn at random among those it decided; `asked`: items that
    experts were asked, by why ("doubt", "audit")."""

    decisions: dict[Hashable, Decision]
    crowd: Crowd
    audit: Estimate
    asked: dict[str, int]


def layered(
    labels: Sequence[Label],
    experts: Experts,
    *,
    sure: float = 0.9,
    audit: float = 0.05,
    most: int | None = None,
    rounds: int = 3,
    seed: int = 0,
) -> Review:
    """Decide every item: by the crowd where it is sure, else by experts; what is left over is open.

    Experts are asked of the most doubtful items first, a part of them a round, so that what they say settles others.

    Args:
        labels: (item, person, label) of the crowd.
        experts: items to their labels; items left out stay open.
        sure: probability from which the crowd decides.
        audit: share of the items that the crowd is sure of which experts see all the same.
        most: items that experts can be asked, the audit first.

    Raises:
        UserError: settings out of range.
    """
    if not (0.5 <= sure <= 1 and 0 <= audit <= 1 and rounds >= 1 and (most is None or most >= 0)):
        what = f"sure {sure}, audit {audit}, rounds {rounds}, most {most}"
        raise UserError(what, where="layered", expected="sure in [0.5, 1], audit in [0, 1], a round at least")
    crowd = dawid_skene(labels)
    left = len(crowd.items) if most is None else most
    first = _first(crowd)
    draws = uniform(np.array([seed_of("audit", seed, item) for item in crowd.items]), 0)
    audited = [i for d, i in zip(draws, crowd.items) if first[i][1] >= sure and d < audit][:left]
    said = dict(experts(audited)) if audited else {}
    right = [said[item] == first[item][0] for item in audited if item in said]
    left -= len(audited)
    asked: list[Hashable] = []
    for k in range(rounds):
        if said:
            crowd = dawid_skene(labels, gold=said)
        doubtful = [i for i, (_, p) in _first(crowd).items() if p < sure and i not in said and i not in asked]
        doubtful.sort(key=lambda i: _first(crowd)[i][1])
        part = doubtful[: min(left, -(-len(doubtful) // (rounds - k)))]
        if not part:
            break
        said |= experts(part)
        asked += part
        left -= len(part)
    if said:
        crowd = dawid_skene(labels, gold=said)
    decisions = {i: _decision(i, said, label, p, sure) for i, (label, p) in _first(crowd).items()}
    counts = Counter({"doubt": len(asked), "audit": len(audited)})
    return Review(decisions, crowd, rate(sum(right), len(right)), dict(counts))


def _first(crowd: Crowd) -> dict[Hashable, tuple[Hashable, float]]:
    """Each item's likeliest label and its probability."""
    best = crowd.posterior.argmax(axis=1)
    sure = crowd.posterior.max(axis=1).tolist()
    return {item: (crowd.labels[k], p) for item, k, p in zip(crowd.items, best, sure)}


def _decision(
    item: Hashable, said: Mapping[Hashable, Hashable], label: Hashable, p: float, sure: float
) -> Decision:
    if item in said:
        return Decision(said[item], 1.0, "expert")
    return Decision(label, p, "crowd") if p >= sure else Decision(None, p, "open")
