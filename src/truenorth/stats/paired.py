"""Two systems on the same items: the difference, its interval, and a test that fits the data.

Sources: McNemar (1947), exact binomial form; Bonett and Price (2012) for the interval of a paired difference
of rates; the permutation test flips the sign of whole clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats as distributions

from truenorth.stats.estimate import Clusters, Floats, codes_of, effective, is_binary, spread, values_of

FLIPS = 10_000
ENUMERATE_UP_TO = 13  # clusters: all 8192 sign patterns are tried, so p is exact
NORMAL_FROM = 1000  # clusters: the law of the flipped sum is normal to four digits, unless a few dominate


class Paired(NamedTuple):
    """b - a over the same items, with its interval and the p-value of "no difference"."""

    difference: float
    low: float
    high: float
    p: float
    n: int
    test: str

    def to_dict(self) -> dict[str, float | int | str | None]:
        """For JSON, which knows neither nan nor infinity: those are None."""
        values = self._asdict()
        return {k: v if isinstance(v, str) or np.isfinite(v) else None for k, v in values.items()}


def paired(
    a: ArrayLike, b: ArrayLike, *, clusters: Clusters | None = None, level: float = 0.95, seed: int = 0
) -> Paired:
    """The mean of b - a, item by item.

    0/1 values: exact McNemar test and Bonett-Price interval, which keeps its width when no item differs; with
    clusters the interval is taken at the effective number of items. Everything else, and every test with
    clusters: p by flipping the sign of whole clusters (all patterns up to 13 clusters, else 10,000 drawn from
    `seed`, from 1,000 clusters on by the normal limit of that test). Intervals of values other than 0/1 are
    Student's t, cluster-robust.

    Swapping a and b negates the difference and keeps p.

    Raises:
        ValueError: not as many values of a as of b.

    >>> round(paired([0] * 8 + [1] * 2, [1] * 8 + [0] * 2).p, 6)
    0.109375
    """
    first, second = values_of(a), values_of(b)
    if len(first) != len(second):
        raise ValueError(f"{len(first)} values of a, {len(second)} of b; expected the same items in both")
    if len(first) == 0:
        return Paired(float("nan"), float("-inf"), float("inf"), 1.0, 0, "none: no items")
    d, codes = second - first, codes_of(clusters, len(first))
    binary = is_binary(first) and is_binary(second)
    if binary and codes is None:
        p, test = mcnemar(int((d > 0).sum()), int((d < 0).sum())), "exact McNemar"
    else:
        p = sign_flip(d if codes is None else values_of(np.bincount(codes, d)), seed=seed)
        test = "sign-flip permutation" + ("" if codes is None else " by cluster")
    low, high = _rates(d, codes, level) if binary else _t_interval(d, codes, level)
    return Paired(float(d.mean()), low, high, p, len(d), test)


def mcnemar(gained: int, lost: int, *, mid: bool = False) -> float:
    """Exact two-sided p of `gained` against `lost` discordant pairs; `mid` for the less conservative mid-p.

    >>> mcnemar(8, 2)
    0.109375
    """
    discordant, fewer = gained + lost, min(gained, lost)
    if discordant == 0:
        return 1.0
    p = 2 * distributions.binom.cdf(fewer, discordant, 0.5)
    if mid:
        p -= distributions.binom.pmf(fewer, discordant, 0.5)
    return float(min(1.0, p))


def sign_flip(differences_G: Floats, *, seed: int = 0, flips: int = FLIPS) -> float:
    """p of "each difference could as well have the other sign"; two-sided, on the absolute sum."""
    d = differences_G[differences_G != 0]
    if len(d) == 0:
        return 1.0
    observed = abs(d.sum()) - 1e-9 * np.abs(d).sum()
    if len(d) <= ENUMERATE_UP_TO:
        patterns = (np.arange(2 ** len(d))[:, None] >> np.arange(len(d))) & 1
        return float((np.abs((2 * patterns - 1) @ d) >= observed).mean())
    if len(d) >= NORMAL_FROM and (d**2).max() < 0.02 * (d**2).sum():
        return float(2 * distributions.norm.sf(abs(d.sum()) / np.sqrt((d**2).sum())))
    generator, extreme = np.random.default_rng(seed), 0
    for _ in range(0, flips, 1000):
        signs = generator.integers(0, 2, size=(1000, len(d)), dtype=np.int8) * 2 - 1
        extreme += int((np.abs(signs @ d) >= observed).sum())
    return (1 + extreme) / (1 + flips)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: reject those <= alpha; the family errs at most alpha.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, floor = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        floor = max(floor, min(1.0, p_values[i] * (len(p_values) - rank)))
        adjusted[i] = floor
    return adjusted


def _t_interval(d: Floats, codes: NDArray[np.intp] | None, level: float) -> tuple[float, float]:
    found = spread(d, codes=codes)
    half = float(distributions.t.ppf(0.5 + level / 2, found.df)) * found.se
    return found.mean - half, found.mean + half


def _rates(d: Floats, codes: NDArray[np.intp] | None, level: float) -> tuple[float, float]:
    n, quantile = float(len(d)), float(distributions.norm.ppf(0.5 + level / 2))
    if codes is not None:
        touched = int((np.bincount(codes, np.abs(d)) > 0).sum())
        n, quantile = effective(d, spread(d, codes=codes), hit=touched, level=level)
    up = ((d > 0).mean() * n + 1) / (n + 2)
    down = ((d < 0).mean() * n + 1) / (n + 2)
    half = quantile * np.sqrt((up + down - (up - down) ** 2) / (n + 2))
    return max(-1.0, float(up - down - half)), min(1.0, float(up - down + half))
