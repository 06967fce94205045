"""Tests and intervals that stay valid however often one looks, and whenever one stops.

An ordinary 95 % interval looked at after each of 1,000 items misses the truth at some look far more often than
5 % of the time. These may be looked at after every item; the price is an interval about 1.5 times as wide.

Sources: Robbins (1970) and Howard et al. (2021) for the mixture of binomial likelihood ratios; Waudby-Smith and
Ramdas (2024) for bounded means by betting; Ville (1939): P(an e-process ever reaches 1 / alpha) <= alpha. The
items must arrive in random order (or be independent draws); one value an item, or one average a cluster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from truenorth.stats.estimate import Estimate, Floats, values_of

BETS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)  # fractions of the capital; fixed before any item is seen


class Evidence(NamedTuple):
    """An e-value: how often a bet against the hypothesis has multiplied its stake. Reject at 1 / alpha.

    E-values of independent studies multiply. `p` is 1 / e, valid at any time.
    """

    e: float
    n: int

    @property
    def p(self) -> float:
        """1 / e, at most 1: a p-value that holds at any look."""
        return min(1.0, 1.0 / self.e) if self.e > 0 else 1.0


def anytime_rate(successes: int, n: int, *, level: float = 0.95) -> Estimate:
    """A rate whose interval holds at all n at once.

    Raises:
        ValueError: not 0 <= successes <= n.

    >>> found = anytime_rate(50, 100)
    >>> round(found.low, 2), round(found.high, 2)
    (0.34, 0.66)
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} trials; expected 0 <= successes <= n")
    if n == 0:
        return Estimate(float("nan"), 0.0, 1.0, 0)
    failures, limit = n - successes, -np.log(1 - level)
    mixture = special.betaln(successes + 0.5, failures + 0.5) - special.betaln(0.5, 0.5)

    def above(rate: float) -> float:
        return mixture - special.xlogy(successes, rate) - special.xlog1py(failures, -rate) - limit

    found = successes / n
    low = 0.0 if successes == 0 else _root(above, 0.0, found)
    high = 1.0 if failures == 0 else _root(above, 1.0, found)
    return Estimate(found, low, high, n)


def anytime_mean(values: ArrayLike, *, low: float = 0.0, high: float = 1.0, level: float = 0.95) -> Estimate:
    """A mean of values in [low, high] whose interval holds at all n at once.

    Raises:
        ValueError: a value outside [low, high].

    >>> anytime_mean([0.5] * 200).low > 0.4
    True
    """
    x = (values_of(values) - low) / (high - low)
    if ((x < 0) | (x > 1)).any():
        raise ValueError(f"values outside [{low}, {high}]; expected the least and greatest there can be")
    if len(x) == 0:
        return Estimate(float("nan"), low, high, 0)
    limit = np.log(2 / (1 - level))
    distinct, many = np.unique(x, return_counts=True)
    lower = _root(lambda m: _capital(distinct, many, m) - limit, 0.0, float(x.mean()))
    upper = 1 - _root(lambda m: _capital(1 - distinct, many, m) - limit, 0.0, 1 - float(x.mean()))
    width = high - low
    return Estimate(low + width * float(x.mean()), low + width * lower, low + width * upper, len(x))


def anytime_paired(
    a: ArrayLike, b: ArrayLike, *, low: float = 0.0, high: float = 1.0, level: float = 0.95
) -> Estimate:
    """The mean of b - a over the same items, scores in [low, high], with an interval that holds at all n.

    Raises:
        ValueError: not as many values of a as of b.
    """
    first, second = values_of(a), values_of(b)
    if len(first) != len(second):
        raise ValueError(f"{len(first)} values of a, {len(second)} of b; expected the same items in both")
    width = high - low
    return anytime_mean(second - first, low=-width, high=width, level=level)


def e_mcnemar(gained: int, lost: int) -> Evidence:
    """Evidence against "items are as often gained as lost", whenever one stops.

    >>> e_mcnemar(8, 2).e < 20 < e_mcnemar(30, 8).e
    True
    """
    n = gained + lost
    log_e = n * np.log(2) + special.betaln(gained + 0.5, lost + 0.5) - special.betaln(0.5, 0.5)
    return Evidence(float(np.exp(min(log_e, 700.0))), n)


def e_at_most(values: ArrayLike, bound: float) -> Evidence:
    """Evidence against "the mean of these values in [0, 1] is at most `bound`": an alarm on a rising rate.

    Raises:
        ValueError: a bound outside (0, 1), or a value outside [0, 1].

    >>> e_at_most([0] * 50, 0.1).e < 1
    True
    """
    x = values_of(values)
    if not 0 < bound < 1 or ((x < 0) | (x > 1)).any():
        raise ValueError(f"bound {bound}; expected it, and the values, within [0, 1]")
    if len(x) == 0:
        return Evidence(1.0, 0)
    distinct, many = np.unique(x, return_counts=True)
    return Evidence(float(np.exp(min(_capital(distinct, many, bound), 700.0))), len(x))


def _capital(distinct_K: Floats, many_K: np.ndarray, mean: float) -> float:
    """Log capital of betting, in `BETS` parts, that values exceed `mean`; it falls as `mean` rises.

    A bet of a fraction c multiplies its stake by 1 + c (x / mean - 1) >= 1 - c > 0, which is 1 on average.
    """
    bets = np.array(BETS)[:, None]
    growth = (np.log1p(bets * (distinct_K / mean - 1)) * many_K).sum(1)
    return float(special.logsumexp(growth) - np.log(len(BETS)))


def _root(f: Callable[[float], float], edge: float, inside: float) -> float:
    """Where f changes sign between an edge of [0, 1], where it is positive, and `inside`, where it is not."""
    outer = abs(edge - 1e-12)
    if inside == edge or f(outer) <= 0:
        return edge
    return float(optimize.brentq(f, outer, inside, xtol=1e-10)) if f(inside) < 0 else inside
