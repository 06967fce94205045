"""The rows that say most together: label coverage with diminishing returns, and the span of what is asked.

Sources: Chen et al., "MIG: Automatic Data Selection for Instruction Tuning by Maximizing Information Gain in Semantic
Space" (2025), for `most_information`; selection by orthogonal matching pursuit against queries (arXiv 2603.13790)
for `spanning`. Both were read as abstracts: the concave function and the propagation are settings here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from truenorth.base import UserError
from truenorth.synth.diverse import k_centre

Floats = NDArray[np.float64]
REFRESHED = 256  # rows whose gain is computed at once


class Gains(NamedTuple):
    """`picks` in order, and what each added; sums of gains are the information of a beginning."""

    picks: list[int]
    gains: list[float]


def most_information(
    labels_NV: NDArray, k: int, *, quality: Sequence[float] | None = None, power: float = 0.5
) -> Gains:
    """`k` rows chosen greedily for the sum over labels v of (what the chosen rows say of v) ** power.

    The sum is monotone and submodular, so that the greedy choice has at least 1 - 1/e of the best, and a row's
    gain only falls: gains are computed anew only for rows that may be next.

    Args:
        labels_NV: how much of each label a row has, 0 or more; `soft_labels` makes them from vectors.
        quality: a weight of 0 or more for each row; on another scale than the labels it rules the choice.
        power: in (0, 1); small powers spread over more labels.

    Raises:
        UserError: negative or infinite labels, `k` or `power` out of range.
    """
    x_NV = np.asarray(labels_NV, np.float64)
    if quality is not None:
        x_NV = x_NV * np.asarray(quality, np.float64)[:, None]
    if not (np.isfinite(x_NV).all() and (x_NV >= 0).all()):
        raise UserError("labels or quality below 0, or not finite", where="most_information")
    if not 0 <= k <= len(x_NV) or not 0 < power < 1:
        expected = f"k of 0 to {len(x_NV)}, power in (0, 1)"
        raise UserError(f"k {k}, power {power}", where="most_information", expected=expected)
    held_V = np.zeros(x_NV.shape[1])
    bound_N = np.full(len(x_NV), np.inf)
    picks: list[int] = []
    gains: list[float] = []
    while len(picks) < k:
        row = _first_by_gain(x_NV, held_V, bound_N, power)
        picks.append(row)
        gains.append(float(bound_N[row]))
        held_V += x_NV[row]
        bound_N[row] = -np.inf
    return Gains(picks, gains)


def _first_by_gain(x_NV: Floats, held_V: Floats, bound_N: Floats, power: float) -> int:
    """The row of the largest gain now, the first of equal ones; bounds of the rows looked at become their gains."""
    fresh = np.zeros(len(bound_N), bool)
    while True:
        best = float(bound_N[fresh].max(initial=-np.inf))
        stale = np.flatnonzero(~fresh & (bound_N >= best) & (bound_N > -np.inf))
        if not len(stale):
            return int(np.flatnonzero(fresh & (bound_N == best))[0])
        some = stale[np.argsort(-bound_N[stale], kind="stable")[:REFRESHED]]
        bound_N[some] = ((held_V + x_NV[some]) ** power).sum(1) - (held_V**power).sum()
        fresh[some] = True


def soft_labels(x_ND: NDArray, count: int, *, nearest: int = 3) -> Floats:
    """(N, count): how like each row is to the `nearest` of `count` landmarks (cosine, below 0 as 0), sums of 1.

    Landmarks are chosen farthest first, so that rare kinds have one.
    """
    length_N1 = np.linalg.norm(x_ND, axis=1, keepdims=True)
    x_ND = x_ND / np.where(length_N1 > 0, length_N1, 1.0)
    landmarks = k_centre(x_ND, min(count, len(x_ND))).picks
    like_NV = np.maximum(x_ND @ x_ND[landmarks].T, 0.0).astype(np.float64)
    if nearest < like_NV.shape[1]:
        least_N1 = np.partition(like_NV, -nearest, axis=1)[:, -nearest, None]
        like_NV[like_NV < least_N1] = 0.0
    return like_NV / np.maximum(like_NV.sum(1, keepdims=True), 1e-12)


def spanning(x_ND: NDArray, queries_QD: NDArray, k: int) -> Gains:
    """Up to `k` rows whose span holds most of the queries' energy |Q P|^2, chosen by orthogonal matching pursuit.

    Stops early when no row adds anything: a row within the span of the chosen ones has gain 0.
    """
    x_ND, q_QD = np.asarray(x_ND, np.float64), np.asarray(queries_QD, np.float64)
    left_QD = q_QD.copy()  # the queries outside the span
    basis: list[Floats] = []
    square_N = (x_ND**2).sum(1)  # |r|^2 of each row's part outside the span
    least = 1e-10 * square_N
    picks: list[int] = []
    gains: list[float] = []
    while len(picks) < k:
        energy_N = ((x_ND @ left_QD.T) ** 2).sum(1)  # Q is outside the span already: Q.x = Q.r
        gain_N = np.where(square_N > least, energy_N / np.maximum(square_N, 1e-300), 0.0)
        row = int(gain_N.argmax())
        if gain_N[row] <= 1e-12 * max((q_QD**2).sum(), 1e-300):
            break
        new_D = x_ND[row].copy()
        for _ in range(2):  # twice is enough for orthogonality in floating point
            for one_D in basis:
                new_D -= (new_D @ one_D) * one_D
        new_D /= np.linalg.norm(new_D)
        basis.append(new_D)
        picks.append(row)
        gains.append(float(gain_N[row]))
        square_N = np.maximum(square_N - (x_ND @ new_D) ** 2, 0.0)
        left_QD -= (left_QD @ new_D)[:, None] * new_D
    return Gains(picks, gains)
