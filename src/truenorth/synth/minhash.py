"""Near-equal sets among many, found by MinHash and banding, then verified by their exact Jaccard similarity.

Sources: Broder, "On the resemblance and containment of documents" (1997); Leskovec, Rajaraman, Ullman, "Mining of
Massive Datasets", chapter 3, for the bands. Only sets that share a band are compared, and each comparison is
exact, so that nothing is dropped by an accident of hashing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from truenorth.base import seed_of
from truenorth.synth.shingles import BITS, PRIME, Hashes, Shingles, mixed, spans

RECALL = 0.9999  # with which a pair of exactly the similarity asked for is found
MOST = 256  # hashes of a set; more rows a band let fewer pairs in that are not similar
CELLS = 1 << 16  # numbers worked on at once: they stay in the processor's cache
BLOCK = 512  # sets decided at once
PAIRS = 1 << 21  # pairs looked at at once: about 100 MB

Indices = NDArray[np.int64]


class Bands(NamedTuple):
    """How many bands, of how many hashes each."""

    bands: int
    rows: int


def bands_for(near: float) -> Bands:
    """The widest bands that find a pair of similarity `near` with probability 0.9999 in at most 256 hashes.

    A band of r hashes agrees with probability near^r; one of b does with 1 - (1 - near^r)^b.

    >>> bands_for(0.8)
    Bands(bands=31, rows=6)
    """
    found = Bands(1, 1)
    for rows in range(1, MOST + 1):
        miss = 1 - near**rows
        count = math.ceil(math.log(1 - RECALL) / math.log(miss)) if miss > 0 else 1
        if rows > 1 and count * rows > MOST:
            break
        found = Bands(count, rows)
    return found


def near_duplicates(sets: Shingles, *, near: float, seed: int = 0) -> Indices:
    """Indices of sets whose Jaccard similarity to an earlier one that was kept is at least `near`, ascending.

    Time grows with the pairs that share a band: with the square of the largest family of look-alikes that are not
    similar enough to be dropped.
    """
    runs = _runs(band_keys(sets, bands_for(near), seed=seed))
    kept = _Kept(runs, np.zeros(len(runs.members), np.int64), np.zeros(len(runs.starts), np.int64))
    compare = _Comparison.of(sets, near)
    dropped = np.zeros(len(sets), bool)
    rows, firsts = np.unique(runs.row, return_index=True)
    ends = np.append(firsts, len(runs.row))
    for at in range(0, len(rows), BLOCK):
        last = min(at + BLOCK, len(rows))
        here = slice(ends[at], ends[last])
        row_E, run_E = runs.row[here], runs.run[here]
        for left, right in kept.pairs(row_E, run_E):
            dropped[right[compare.similar(left, right)]] = True
        open_E = ~dropped[row_E]
        _decide(*_within(row_E[open_E], run_E[open_E]), compare, dropped)
        stay = ~dropped[row_E]
        kept.add(row_E[stay], run_E[stay])
    return np.flatnonzero(dropped)


def minhash(sets: Shingles, *, count: int, seed: int = 0) -> NDArray[np.uint32]:
    """(count, N): the least of a x + b mod 2^32 over each set, for `count` pairs (a odd, b); 2^32 - 1 if empty."""
    draws = mixed(
        np.arange(1, 2 * count + 1, dtype=np.uint64) * np.uint64(PRIME) + np.uint64(seed_of("minhash", seed))
    )
    a, b = (draws[:count] >> np.uint64(32)).astype(np.uint32) | np.uint32(1), draws[count:].astype(np.uint32)
    x = (sets.values >> np.uint64(BITS - 32)).astype(np.uint32)
    sizes = sets.sizes
    width = _padded(sizes)
    order = np.argsort(width, kind="stable")
    edges = np.flatnonzero(np.diff(width[order], prepend=0, append=-1))
    result = np.full((count, len(sets)), 0xFFFFFFFF, dtype=np.uint32)
    for first, last in pairwise(edges):
        wide = int(width[order[first]])
        if wide == 0:
            continue
        step = max(16, CELLS // wide)
        for at in range(first, last, step):
            rows = order[at : min(at + step, last)]
            places = np.minimum(np.arange(wide)[:, None], sizes[rows] - 1) + sets.starts[rows]
            result[:, rows] = _least(x[places], a, b)
    return result


def _least(x_SN: NDArray[np.uint32], a: NDArray[np.uint32], b: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """(count, N): the least hash of each column, hash by hash."""
    result = np.empty((len(a), x_SN.shape[1]), np.uint32)
    held = np.empty_like(x_SN)
    for k in range(len(a)):
        np.multiply(x_SN, a[k], out=held)
        held += b[k]
        held.min(axis=0, out=result[k])
    return result


def _padded(sizes: Indices) -> Indices:
    """Sizes rounded up by at most an eighth: sets of about one size are worked on together."""
    step = 1 << np.maximum(np.frexp(sizes.astype(float))[1] - 4, 0)
    return -(-sizes // step) * step


def band_keys(sets: Shingles, bands: Bands, *, seed: int = 0) -> Hashes:
    """(bands, N): one number for the hashes of each band."""
    keys = np.empty((bands.bands, len(sets)), np.uint64)
    for at in range(0, len(sets), 1 << 15):
        some = Shingles(sets.values, sets.starts[at : at + (1 << 15) + 1])
        part = some.values[some.starts[0] : some.starts[-1]]
        least = minhash(
            Shingles(part, some.starts - some.starts[0]), count=bands.bands * bands.rows, seed=seed
        )
        for band, rows in enumerate(least.reshape(bands.bands, bands.rows, len(some))):
            key = rows[0].astype(np.uint64)
            for row in rows[1:]:
                key = mixed(key * np.uint64(PRIME) + row)
            keys[band, at : at + len(some)] = key
    return keys


class _Runs(NamedTuple):
    """Sets that share a band: entries (row, run) by row, and where each run's members begin."""

    row: Indices
    run: Indices
    starts: Indices
    members: Indices  # as many as entries; filled as rows are kept


def _runs(keys_BN: Hashes) -> _Runs:
    """Every run of two sets or more that agree in a band."""
    rows, runs, sizes = [], [], []
    many = 0
    for key in keys_BN:
        order = np.argsort(key, kind="stable")
        said = key[order]
        edges = (
            np.flatnonzero(np.concatenate([[True], said[1:] != said[:-1], [True]]))
            if len(said)
            else np.zeros(1, int)
        )
        size = np.diff(edges)
        shared = np.repeat(size > 1, size)
        rows.append(order[shared])
        size = size[size > 1]
        runs.append(np.repeat(np.arange(many, many + len(size)), size))
        many += len(size)
        sizes.append(size)
    row, run = np.concatenate(rows), np.concatenate(runs)
    by_row = np.argsort(row, kind="stable")
    starts = np.cumsum(np.concatenate([[0], *sizes]))[:-1].astype(np.int64)
    return _Runs(row[by_row], run[by_row], starts, np.empty(len(row), np.int64))


class _Kept(NamedTuple):
    """The kept members of every run so far, in place."""

    runs: _Runs
    members: Indices
    filled: Indices

    def pairs(self, row_E: Indices, run_E: Indices) -> Iterator[tuple[Indices, Indices]]:
        """(kept, row) pairs that share a run, each once, in parts of about PAIRS."""
        count_E = self.filled[run_E]
        cut = np.flatnonzero(np.diff(np.cumsum(count_E) // PAIRS)) + 1
        for rows, runs, counts in zip(*(np.split(v, cut) for v in (row_E, run_E, count_E))):
            if counts.sum():
                left = self.members[spans(self.runs.starts[runs], counts)]
                yield _unique(left, np.repeat(rows, counts))

    def add(self, row_E: Indices, run_E: Indices) -> None:
        order = np.argsort(run_E, kind="stable")
        run_E = run_E[order]
        self.members[self.runs.starts[run_E] + self.filled[run_E] + _rank(run_E)] = row_E[order]
        runs, counts = np.unique(run_E, return_counts=True)
        self.filled[runs] += counts


def _within(row_E: Indices, run_E: Indices) -> tuple[Indices, Indices]:
    """(earlier, later) pairs of a block that share a run, each once."""
    order = np.argsort(run_E, kind="stable")
    row_E, rank_E = row_E[order], _rank(run_E[order])
    return _unique(row_E[spans(np.arange(len(row_E)) - rank_E, rank_E)], np.repeat(row_E, rank_E))


def _decide(left: Indices, right: Indices, compare: _Comparison, dropped: NDArray[np.bool_]) -> None:
    """Drop what is similar to an earlier one of its block that stays, in order."""
    same = compare.similar(left, right)
    left, right = left[same], right[same]
    firsts = np.append(np.unique(right, return_index=True)[1], len(right))
    for at, last in pairwise(firsts):
        dropped[right[at]] = not dropped[left[at:last]].all()


class _Comparison(NamedTuple):
    sets: csr_matrix
    sizes: Indices
    near: float

    @classmethod
    def of(cls, sets: Shingles, near: float) -> _Comparison:
        ones = np.ones(len(sets.values), np.int8)
        held = csr_matrix((ones, sets.values.view(np.int64), sets.starts), shape=(len(sets), 1 << BITS))
        held.has_canonical_format = True
        return cls(held, sets.sizes, near)

    def similar(self, left: Indices, right: Indices) -> NDArray[np.bool_]:
        """Whether |a and b| >= near |a or b|."""
        a, b = self.sizes[left], self.sizes[right]
        hopeful = np.flatnonzero(np.minimum(a, b) >= self.near * np.maximum(a, b))
        found = np.zeros(len(left), bool)
        shared = np.diff(self.sets[left[hopeful]].multiply(self.sets[right[hopeful]]).indptr)
        found[hopeful] = shared >= self.near * (a[hopeful] + b[hopeful] - shared)
        return found


def _unique(left: Indices, right: Indices) -> tuple[Indices, Indices]:
    """Pairs, each once, by `right`, then `left`."""
    code = np.unique((right << 31) | left)
    return code & ((1 << 31) - 1), code >> 31


def _rank(sorted_runs: Indices) -> Indices:
    """How many entries before each have its run."""
    if not len(sorted_runs):
        return sorted_runs
    new = np.concatenate([[True], sorted_runs[1:] != sorted_runs[:-1]])
    return np.arange(len(sorted_runs)) - np.flatnonzero(new)[np.cumsum(new) - 1]
