"""Rows drawn where the data are thin, and a filter network that knows good rows from any rows.

Sources: Sachdeva et al., "How to Train Data-Efficient LLMs" (2024): density sampling with sketches of a kernel (its
other sampler, Ask-LLM, is `scores.quality` with a judge that reads the probability of "yes"); Coleman and
Shrivastava, "Sub-linear RACE Sketches for Approximate Kernel Density Estimation" (2020); Fang et al., "Data Filtering
Networks" (2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from truenorth.base import UserError
from truenorth.judges.text_classifier import TextClassifierJudge

Floats = NDArray[np.float64]


def density(x_ND: NDArray, *, bits: int = 12, sketches: int = 50, seed: int = 0) -> Floats:
    """(N,) estimates of the mean over all rows y of (1 - angle(x, y) / pi) ** bits: 1 if all rows are x.

    Each sketch cuts space with `bits` random planes and counts the rows of each cell; a row's density is the share of
    rows in its cell, on average over sketches. One pass a sketch; memory is that of a sketch.

    Args:
        bits: planes; more of them look more closely.
        sketches: the standard error falls with their root.

    Raises:
        UserError: bits outside 1 to 62, no sketches, or no rows.
    """
    if not 1 <= bits <= 62 or sketches < 1 or not len(x_ND):
        raise UserError(
            f"bits {bits}, sketches {sketches}, {len(x_ND)} rows", where="density", expected="bits of 1 to 62"
        )
    rng = np.random.default_rng(seed)
    found = np.zeros(len(x_ND))
    for _ in range(sketches):
        planes_DB = rng.normal(size=(x_ND.shape[1], bits)).astype(x_ND.dtype)
        cell_N = (x_ND @ planes_DB > 0) @ (1 << np.arange(bits, dtype=np.int64))
        _, of_row, counts = np.unique(cell_N, return_inverse=True, return_counts=True)
        found += counts[of_row]
    return found / (sketches * len(x_ND))


class Drawn(NamedTuple):
    """`picks` in order; `weights`, of mean 1, with which means over them are means over all rows."""

    picks: list[int]
    weights: list[float]


def inverse_propensity(propensity_N: Sequence[float] | Floats, n: int, *, seed: int = 0) -> Drawn:
    """`n` rows or so, each drawn by itself with a chance in proportion to 1 / propensity (at most 1).

    With the densities of rows as propensities, thin regions are drawn as often as dense ones. Each row's weight is one
    over its chance (Horvitz and Thompson, 1952), so that weighted means still estimate those of all rows.

    Raises:
        UserError: `n` out of range, or a propensity that is not above 0.
    """
    p_N = np.asarray(propensity_N, np.float64)
    if not 0 < n <= len(p_N) or not (np.isfinite(p_N).all() and (p_N > 0).all()):
        expected = f"n of 1 to {len(p_N)}, propensities above 0"
        raise UserError(f"n {n}", where="inverse_propensity", expected=expected)
    chance_N = chances(1 / p_N, n)
    picks = np.flatnonzero(np.random.default_rng(seed).random(len(p_N)) < chance_N)
    weight = 1 / chance_N[picks]
    return Drawn(picks.tolist(), (weight / weight.mean()).tolist() if len(weight) else [])


def chances(weight_N: Floats, n: int) -> Floats:
    """Chances in proportion to the weights, none above 1, with sum `n`."""
    sure = np.zeros(len(weight_N), bool)
    while True:
        rest = weight_N[~sure].sum()
        chance_N = np.where(sure, 1.0, weight_N * (n - sure.sum()) / rest if rest else 0.0)
        over = (chance_N > 1) & ~sure
        if not over.any():
            return chance_N
        sure |= over


def filter_network(good: Sequence[str], pool: Sequence[str], *, seed: int = 0) -> TextClassifierJudge:
    """A judge that scores texts by the probability that they are of `good` rather than of `pool`.

    A small classifier of words: what it knows of quality is how the words of good rows differ from those of any rows.
    As many of the pool as of the good are learned, the first by seed.

    Raises:
        UserError: too few texts to fit.
    """
    order = np.random.default_rng(seed).permutation(len(pool))[: len(good)].tolist()
    texts = [*good, *(pool[i] for i in order)]
    return TextClassifierJudge.fit(
        texts, [i < len(good) for i in range(len(texts))], seed=seed, name="filter network"
    )
