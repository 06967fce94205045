"""What an annotator, a person or a model, does where principles conflict or say nothing: how much, how
arbitrarily, and which principles win.

Each pair of answers has a preference by every principle on its own (from a judge asked about that principle
alone, in both orders) and the annotator's. The same numbers of people and of a model, side by side, say whether
the model has learnt the people's priorities or made its own.

Source: Buyl et al., "AI alignment at your discretion" (2025), sections 3 and 4. Where the released analysis
counts one order of each pair and takes pairs as independent, a principle that changes with the order has no
preference here, and intervals are by cluster.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from truenorth.base import UserError
from truenorth.stats import Estimate, bradley_terry, mean

Side = int | None  # 1 the first answer, -1 the second, None (or 0) neither
Signs = NDArray[np.int8]


class Discretion(NamedTuple):
    """What one annotator made of pairs. Rates are of pairs; `supremacy` and `priority` are of conflicts.

    indifferent, conflict, consensus: no principle prefers an answer; some prefer one and some the other; all that
        prefer one prefer the same. They sum to 1.
    arbitrariness: of pairs with a consensus that the annotator decided, the share decided against it.
    supremacy: (a, b) -> of pairs where a and b conflict, the share decided as a would. (b, a) is the rest.
    priority: principle -> Bradley-Terry rating in Elo points, mean 1000, of these conflicts as games.
    """

    indifferent: Estimate
    conflict: Estimate
    consensus: Estimate
    arbitrariness: Estimate
    supremacy: dict[tuple[str, str], Estimate]
    priority: dict[str, float]
    priority_draws: dict[str, tuple[float, ...]]  # of the bootstrap over clusters

    @property
    def ranking(self) -> tuple[str, ...]:
        """Principles, the one that wins most first; those that never met another in conflict are left out."""
        return tuple(sorted(self.priority, key=lambda name: -self.priority[name]))


def discretion(
    principles: Mapping[str, Sequence[Side]],
    preference: Sequence[Side],
    *,
    clusters: Sequence[Hashable] | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Discretion:
    """The discretion of one annotator.

    Args:
        principles: principle -> its preference of each pair, in order.
        preference: the annotator's. Pairs it did not decide count in the first three rates only.
        clusters: one label a pair, such as its prompt.
        draws: bootstrap samples for `priority_draws`.

    Raises:
        UserError: no pairs, or sequences of unequal length.
    """
    names, n = list(principles), len(preference)
    if n == 0 or not names or any(len(principles[p]) != n for p in names):
        told = ", ".join(f"{p} {len(principles[p])}" for p in names) or "none"
        raise UserError(
            f"{n} preferences; by principle: {told}", where="discretion", expected="as many, some"
        )
    p_PN, a_N = np.stack([_signs(principles[p]) for p in names]), _signs(preference)
    groups: list[Hashable] = list(range(n)) if clusters is None else list(clusters)
    up_N, down_N = (p_PN == 1).any(0), (p_PN == -1).any(0)
    indifferent, conflict, consensus = (
        mean(kind.astype(float), clusters=groups) for kind in (~up_N & ~down_N, up_N & down_N, up_N ^ down_N)
    )
    decided_N = (up_N ^ down_N) & (a_N != 0)
    against = _share(np.where(up_N, 1, -1) != a_N, decided_N, groups)
    games = {
        (a, b): np.flatnonzero((p_PN[i] * p_PN[j] == -1) & (a_N != 0))
        for (i, a), (j, b) in combinations(enumerate(names), 2)
    }
    supremacy: dict[tuple[str, str], Estimate] = {}
    for (a, b), rows in games.items():
        if len(rows):
            won = a_N[rows] == p_PN[names.index(a)][rows]
            own = [groups[r] for r in rows.tolist()]
            supremacy[a, b], supremacy[b, a] = (
                mean(won.astype(float), clusters=own),
                mean((~won).astype(float), clusters=own),
            )
    priority, drawn = _priority(names, p_PN, a_N, games, groups, draws, seed)
    return Discretion(indifferent, conflict, consensus, against, supremacy, priority, drawn)


def _signs(sides: Sequence[Side]) -> Signs:
    signs = np.array([s or 0 for s in sides], dtype=np.int8)
    if not np.isin(signs, (-1, 0, 1)).all():
        raise UserError("a preference that is not 1, -1, 0 or None", where="discretion")
    return signs


def _share(hit_N: NDArray[np.bool_], of_N: NDArray[np.bool_], groups: Sequence[Hashable]) -> Estimate:
    rows = np.flatnonzero(of_N)
    if len(rows) == 0:
        return Estimate(float("nan"), 0.0, 1.0, 0)
    return mean(hit_N[rows].astype(float), clusters=[groups[r] for r in rows.tolist()])


def _priority(
    names: list[str],
    p_PN: Signs,
    a_N: Signs,
    games: Mapping[tuple[str, str], NDArray[np.intp]],
    groups: Sequence[Hashable],
    draws: int,
    seed: int,
) -> tuple[dict[str, float], dict[str, tuple[float, ...]]]:
    """A conflict between two principles is a game that the one wins whose side the annotator takes."""
    first = [a for (a, _), rows in games.items() for _ in rows]
    second = [b for (_, b), rows in games.items() for _ in rows]
    if not first:
        return {}, {}
    won = [float(a_N[r] == p_PN[names.index(a)][r]) for (a, _), rows in games.items() for r in rows]
    own = [groups[r] for rows in games.values() for r in rows.tolist()]
    ladder = bradley_terry(first, second, won, clusters=own, draws=draws, seed=seed)
    told = [str(name) for name in ladder.names]
    drawn = {name: tuple(ladder.draws_BM[:, m].tolist()) for m, name in enumerate(told)}
    return dict(zip(told, ladder.rating_M.tolist())), drawn


def discrepancy(one: Discretion, other: Discretion, *, level: float = 0.95) -> Estimate:
    """How differently two annotators rank principles: the share of pairs of principles in the opposite order.

    0 the same ranking, 1 the reverse. The interval is of the two bootstraps, draw by draw. Of few conflicts both
    rankings are noise, which looks like discrepancy: read it beside that of two halves of one annotator's pairs.

    Raises:
        UserError: fewer than two principles that both have ranked.
    """
    names = [name for name in one.priority if name in other.priority]
    if len(names) < 2:
        raise UserError(
            f"{len(names)} principles ranked by both", where="discrepancy", expected="two or more"
        )
    point = _apart(*(np.array([[d.priority[n] for n in names]]) for d in (one, other)))[0]
    drawn = _apart(*(np.array([d.priority_draws[n] for n in names]).T for d in (one, other)))
    low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2])
    return Estimate(float(point), min(float(low), float(point)), max(float(high), float(point)), len(names))


def _apart(a_BP: NDArray[np.float64], b_BP: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normalised Kendall distance of each row; a tie on one side only counts half."""
    i, j = np.triu_indices(a_BP.shape[1], 1)
    return np.abs(np.sign(a_BP[:, i] - a_BP[:, j]) - np.sign(b_BP[:, i] - b_BP[:, j])).mean(1) / 2
