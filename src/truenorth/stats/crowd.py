"""The truth behind many annotators' labels, and how good each annotator is, found together.

Sources: Dawid and Skene (1979), by expectation-maximisation from the shares of votes. The starting point and
the smoothing (1e-2 pseudo-label a cell) follow common practice; the log-likelihood kept is that of the labels,
which EM never lowers (crowd-kit counts the prior once a label instead of once an item).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from truenorth.stats.estimate import Estimate, Floats, codes_of, effective, hits, spread
from truenorth.stats.margins import rates_difference

Label = tuple[Hashable, Hashable, Hashable]  # item, annotator, label


class Crowd(NamedTuple):
    """What the labels say of the items and of the annotators.

    posterior: (N, K) chance of each label for each item. confusion: (W, K, K), annotator w's chance of saying
    [true label, said label]. trace: log-likelihood after each round, never falling.
    """

    items: list[Hashable]
    annotators: list[Hashable]
    labels: list[Hashable]
    prior: Floats
    posterior: Floats
    confusion: Floats
    trace: list[float]

    def truth(self) -> dict[Hashable, Hashable]:
        """The likeliest label of each item."""
        return {item: self.labels[k] for item, k in zip(self.items, self.posterior.argmax(1))}

    def skill(self) -> dict[Hashable, float]:
        """Each annotator's chance of being right, over items as they come."""
        right_WK = np.einsum("wkk->wk", self.confusion)
        return dict(zip(self.annotators, (right_WK @ self.prior).tolist()))


def dawid_skene(
    rows: Sequence[Label],
    *,
    gold: Mapping[Hashable, Hashable] | None = None,
    rounds: int = 200,
    tolerance: float = 1e-6,
    smoothing: float = 1e-2,
) -> Crowd:
    """Fit every item's label and every annotator's confusions.

    Args:
        rows: (item, annotator, label), in any order and number.
        gold: items whose label is known; they stay fixed, and keep a careless majority from turning the
            labels' meaning around.
        tolerance: stop when a round gains less log-likelihood than this a row.

    Raises:
        ValueError: there are no labels.

    >>> rows = [(i, w, i % 2) for i in range(20) for w in "abc"] + [(i, "d", 1) for i in range(20)]
    >>> skill = dawid_skene(rows).skill()
    >>> skill["a"] > 0.95, skill["d"] < 0.6
    (True, True)
    """
    if not rows:
        raise ValueError("no labels")
    known = dict(gold or {})
    (items, i_R), (annotators, w_R) = (_index([row[k] for row in rows]) for k in (0, 1))
    labels, k_R = _index([*[row[2] for row in rows], *known.values()])
    k_R = k_R[: len(rows)]
    n, workers, many = len(items), len(annotators), len(labels)
    fixed = {i: labels.index(known[item]) for i, item in enumerate(items) if item in known}
    posterior = np.zeros((n, many))
    if not fixed:  # from the votes; with gold, what is known of the annotators is how they did on it
        np.add.at(posterior, (i_R, k_R), 1.0)
        posterior /= posterior.sum(1, keepdims=True)
    posterior = _fixed(posterior, fixed)
    trace: list[float] = []
    for _ in range(rounds):
        prior = (posterior.sum(0) + smoothing) / (posterior.sum() + many * smoothing)
        confusion = np.full((workers, many, many), smoothing)
        for k in range(many):
            np.add.at(confusion[:, k, :], (w_R, k_R), posterior[i_R, k])
        confusion /= confusion.sum(2, keepdims=True)
        log_NK = np.tile(np.log(prior), (n, 1))
        np.add.at(log_NK, i_R, np.log(confusion)[w_R, :, k_R])
        whole_N = special.logsumexp(log_NK, axis=1)
        trace.append(_evidence(log_NK, whole_N, fixed))
        posterior = _fixed(np.exp(log_NK - whole_N[:, None]), fixed)
        if len(trace) > 1 and trace[-1] - trace[-2] < tolerance * len(rows):
            break
    return Crowd(items, annotators, labels, prior, posterior, confusion, trace)


class Bias(NamedTuple):
    """How much more often an annotator wrongly says `label` of one group's items than of the others'."""

    annotator: Hashable
    group: Hashable
    label: Hashable
    difference: Estimate
    others: Estimate  # the same of all other annotators together, on the same items


def group_bias(
    rows: Sequence[Label],
    crowd: Crowd,
    groups: Mapping[Any, Hashable],
    *,
    label: Hashable,
    clusters: Mapping[Any, Hashable] | None = None,
    level: float = 0.95,
) -> list[Bias]:
    """Whether annotators say `label` more wrongly of one group's items (a dialect's, say) than of others'.

    Counts items whose likeliest truth is not `label`. An annotator is biased where `difference` excludes 0
    and `others` does not; where both do, the items or the truth itself may be at fault. Several people's words on
    one item depend on one another: the intervals are taken at the effective number of words.

    Args:
        clusters: item -> which other items it belongs with; each stands alone by default.
    """
    truth = crowd.truth()
    wrong = [
        _Word(annotator, groups[item], item if clusters is None else clusters[item], float(said == label))
        for item, annotator, said in rows
        if truth[item] != label
    ]
    found = []
    for annotator in crowd.annotators:
        mine = [word for word in wrong if word.annotator == annotator]
        rest = [word for word in wrong if word.annotator != annotator]
        for group in dict.fromkeys(groups.values()):
            own, others = _gap(mine, group, level), _gap(rest, group, level)
            if own is not None and others is not None:
                found.append(Bias(annotator, group, label, own, others))
    return found


class _Word(NamedTuple):
    annotator: Hashable
    group: Hashable
    cluster: Hashable
    wrong: float


def _gap(words: Sequence[_Word], group: Hashable, level: float) -> Estimate | None:
    inside = [word for word in words if word.group == group]
    outside = [word for word in words if word.group != group]
    if not inside or not outside:
        return None
    counts = *_effective(outside, level), *_effective(inside, level)
    return rates_difference(*counts, level=level)._replace(n=len(words))


def _effective(words: Sequence[_Word], level: float) -> tuple[float, float]:
    """(wrong ones, words), as many as they are worth."""
    x_N = np.array([word.wrong for word in words])
    codes = codes_of([word.cluster for word in words], len(words))
    if codes is None:
        return float(x_N.sum()), float(len(words))
    worth, _ = effective(x_N, spread(x_N, codes=codes), hit=hits(x_N, codes), level=level)
    n = max(1.0, worth)
    return float(x_N.mean() * n), n


def _index(values: Sequence[Hashable]) -> tuple[list[Hashable], NDArray[np.intp]]:
    place = {value: k for k, value in enumerate(dict.fromkeys(values))}
    return list(place), np.array([place[value] for value in values], dtype=np.intp)


def _fixed(posterior: Floats, fixed: Mapping[int, int]) -> Floats:
    for i, k in fixed.items():
        posterior[i] = 0.0
        posterior[i, k] = 1.0
    return posterior


def _evidence(log_NK: Floats, whole_N: Floats, fixed: Mapping[int, int]) -> float:
    return float(whole_N.sum() + sum(log_NK[i, k] - whole_N[i] for i, k in fixed.items()))
