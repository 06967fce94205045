"""Few vectors that stand for many: the farthest first (k-centre), and none that is too like one before it.

Sources: Gonzalez, "Clustering to minimize the maximum intercluster distance" (1985): the greedy choice is within
twice the best; Sener and Savarese, "Active Learning for CNNs: A Core-Set Approach" (2018); for `unlike`, Liu et
al., "What Makes Good Data for Alignment?" (Deita, 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from truenorth.base import UserError

POOL = 4096  # vectors brought up to date at once
TILE = 512  # of them, in one matrix product

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


class Centres(NamedTuple):
    """`picks` in order; `radius[i]`: distance of pick i to those before it, which falls. Every vector that was not
    picked is within `radius[-1]` of one that was."""

    picks: list[int]
    radius: list[float]


def k_centre(x_ND: NDArray, k: int, *, start: Sequence[int] = ()) -> Centres:
    """`k` rows, each the farthest (Euclidean) from all before it; the first of equally far ones.

    The same picks as comparing every row with every pick, with a fraction of the work. A row's distance to the
    picks only falls, so an old one is an upper bound: rows are brought up to date only when their bound says
    that they might be next, many at once by a float32 matrix product. Rows that its rounding cannot tell apart are
    compared in float64, differences first.

    Args:
        start: rows already chosen, which do not count; without them the first pick is the row nearest to the mean.

    Raises:
        UserError: `k` out of range, not finite, or a start that is no row.
    """
    _check(x_ND, k, start)
    if x_ND.dtype.kind != "f":
        x_ND = x_ND.astype(np.float64)
    far = _Far(x_ND, k + len(start))
    for row in start:
        far.add(row)
    picks: list[int] = []
    radius: list[float] = []
    while len(picks) < k:
        row, squared = far.farthest() if far.many else (nearest_to_mean(x_ND), np.inf)
        picks.append(row)
        radius.append(float(np.sqrt(squared)))
        far.add(row)
    return Centres(picks, radius)


def nearest_to_mean(x_ND: NDArray) -> int:
    """The row nearest to the mean of all, to the rounding of a sum of its type."""
    mean_D = x_ND.mean(axis=0, dtype=np.float64).astype(x_ND.dtype)
    return int((np.einsum("nd,nd->n", x_ND, x_ND) - 2 * (x_ND @ mean_D)).argmin())


class _Far:
    """Bounds of squared distances to the `many` centres so far; `pool`: the rows whose bounds are up to date and
    the only ones that can be farthest, as long as one of them is at least `limit` away."""

    def __init__(self, x_ND: NDArray, most: int):
        self.given = x_ND
        self.x_ND = np.ascontiguousarray(x_ND, np.float32)
        self.norm_N = np.einsum("nd,nd->n", self.x_ND, self.x_ND, dtype=np.float64).astype(np.float32)
        # Of |x|^2 - 2 x.c + |c|^2 in float32: at most (D + 4) roundings of numbers up to the largest |x| |c|, twice.
        self.slack = float(2 * (x_ND.shape[1] + 4) * 2.0**-24 * self.norm_N.max(initial=0.0))
        self.bound_N = np.full(len(x_ND), np.inf, np.float32)
        self.seen_N = np.zeros(len(x_ND), np.int64)  # centres that the bound counts
        self.many = 0
        self.centres = np.empty(most, np.int64)
        self.centre_KD = np.empty((most, x_ND.shape[1]), np.float32)
        self.pool = np.empty(0, np.int64)
        self.pool_PD = np.empty((0, x_ND.shape[1]), np.float32)
        self.limit = np.inf

    def add(self, row: int) -> None:
        """One more centre. Only the pool hears of it now."""
        self.centres[self.many], self.centre_KD[self.many] = row, self.x_ND[row]
        self.many += 1
        self.bound_N[row] = -1.0  # never again
        if len(self.pool):
            self._lower(
                self.pool, self.norm_N[self.pool] - 2 * (self.pool_PD @ self.x_ND[row]) + self.norm_N[row]
            )
            self.seen_N[self.pool] = self.many
            stay = self.bound_N[self.pool] >= self.limit
            self.pool, self.pool_PD = self.pool[stay], self.pool_PD[stay]

    def farthest(self) -> tuple[int, float]:
        """The row farthest from all centres and its squared distance."""
        while not len(self.pool):
            self._refill()
        close = self.bound_N[self.pool].max() - 2 * self.slack
        rivals = self.pool[self.bound_N[self.pool] >= close]
        if close < self.limit:
            rivals = np.flatnonzero((self.bound_N >= close) & (self.bound_N >= 0))
            self._update(rivals)
            rivals = rivals[self.bound_N[rivals] >= close]
        rivals = np.sort(rivals)
        exact = [self._exact(row) for row in rivals]
        best = int(np.argmax(exact))
        return int(rivals[best]), exact[best]

    def _refill(self) -> None:
        """Bring the rows with the largest bounds up to date; the pool is those that stay above all others."""
        many = min(POOL, len(self.bound_N))
        order = np.argpartition(self.bound_N, len(self.bound_N) - many)
        others, top = order[:-many], order[-many:]
        self.limit = float(self.bound_N[others].max(initial=0.0))
        self._update(top)
        self.pool = top[(self.bound_N[top] >= self.limit)]
        self.pool_PD = self.x_ND[self.pool]

    def _update(self, rows: Indices) -> None:
        """Count the centres that these rows' bounds do not count yet."""
        rows = rows[np.argsort(self.seen_N[rows], kind="stable")]
        for at in range(0, len(rows), TILE):
            some = rows[at : at + TILE]
            new = slice(self.seen_N[some[0]], self.many)
            if new.start < self.many:
                dot = self.x_ND[some] @ self.centre_KD[new].T
                dot *= -2
                dot += self.norm_N[self.centres[new]]
                self._lower(some, dot.min(axis=1) + self.norm_N[some])
        self.seen_N[rows] = self.many

    def _lower(self, rows: Indices, squared: Floats) -> None:
        """The smaller of old and new bounds; centres keep theirs."""
        self.bound_N[rows] = np.minimum(self.bound_N[rows], np.maximum(squared, 0.0))

    def _exact(self, row: int) -> float:
        """The squared distance to the nearest centre, in one order of summing for every row."""
        centres = self.centres[: self.many]
        about = self.norm_N[centres] - 2 * (self.centre_KD[: self.many] @ self.x_ND[row])
        near = centres[about <= about.min() + 2 * self.slack]
        gap = self.given[row].astype(np.float64) - self.given[near].astype(np.float64)
        return float((gap * gap).sum(axis=1).min())


def unlike(x_ND: NDArray, *, most: float = 0.9, limit: int | None = None) -> list[int]:
    """Rows, in order, whose cosine similarity to every kept one before is at most `most`; `limit` of them at most.

    What is kept for a smaller limit is the beginning of what is kept for a larger one. Sort rows by score first:
    that is Deita's filter. (Its code calls the similarity a distance; its option "manhattan" compares the wrong way.)

    Raises:
        UserError: a negative limit.
    """
    if limit is not None and limit < 0:
        raise UserError(f"limit {limit}", where="unlike", expected="0 or more")
    length_N1 = np.linalg.norm(x_ND, axis=1, keepdims=True)
    x_ND = x_ND / np.where(length_N1 > 0, length_N1, 1.0)
    kept = np.empty_like(x_ND)
    picks: list[int] = []
    for at in range(0, len(x_ND), POOL):
        block = x_ND[at : at + POOL]
        open_B = np.ones(len(block), bool)
        for first in range(0, len(picks), POOL):
            open_B &= (block @ kept[first : min(first + POOL, len(picks))].T).max(axis=1) <= most
        rows = np.flatnonzero(open_B)
        near_RR = block[rows] @ block[rows].T > most
        stays = np.zeros(len(rows), bool)
        for i in range(len(rows)):
            if not (near_RR[i, :i] & stays[:i]).any():
                stays[i] = True
                kept[len(picks)] = block[rows[i]]
                picks.append(int(at + rows[i]))
                if len(picks) == limit:
                    return picks
    return picks if limit != 0 else []


def _check(x_ND: NDArray, k: int, start: Sequence[int]) -> None:
    if x_ND.ndim != 2 or not np.isfinite(x_ND).all():
        raise UserError(
            "vectors are not a finite table", where="k_centre", expected="a row a text, without NaN"
        )
    if len(set(start)) < len(start) or any(not 0 <= row < len(x_ND) for row in start):
        raise UserError("start names rows that are not there, or twice", where="k_centre")
    if not 0 <= k <= len(x_ND) - len(start):
        expected = f"0 to {len(x_ND) - len(start)}, the rows there are"
        raise UserError(f"k {k}", where="k_centre", expected=expected)
