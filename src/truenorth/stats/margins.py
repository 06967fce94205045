"""Not worse by more than a margin, or the same within a margin: non-inferiority and equivalence.

"No significant difference" is not evidence of no difference; these tests are. The margin is the largest
difference one would accept, fixed before looking.

Sources: Farrington and Manning (1990) and Miettinen and Nurminen (1985) for two rates; Tango (1998) for paired
rates; Schuirmann (1987) for two one-sided tests; Welch (1947) for two means.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize
from scipy import stats as distributions

from truenorth.stats.estimate import Clusters, Estimate, Spread, codes_of, is_binary, spread, values_of


class Margin(NamedTuple):
    """b - a against a margin. `p` tests "the difference lies beyond the margin"; small p, claim shown.

    `low` and `high` are the 95 % interval for non-inferiority and the 90 % interval for equivalence, so that
    the claim holds exactly when the interval lies within the margin.
    """

    shown: bool
    difference: float
    low: float
    high: float
    p: float
    margin: float
    n: int


def non_inferior(
    a: ArrayLike,
    b: ArrayLike,
    *,
    margin: float,
    paired: bool = True,
    clusters: Clusters | None = None,
    alpha: float = 0.025,
) -> Margin:
    """Is b at most `margin` worse than a (higher is better)? One-sided at `alpha`.

    Paired 0/1 values: Tango's score test. Two groups of 0/1 values: the score test of Farrington and Manning.
    Other values, and clusters: Student's t (Welch's for two groups), cluster-robust.

    Args:
        paired: whether a and b are of the same items, in the same order.
        clusters: paired only; rows that belong together.

    >>> same = [1] * 90 + [0] * 10
    >>> non_inferior(same, same, margin=0.05).shown
    True
    """
    _check(margin)
    found = _paired(a, b, clusters) if paired else _groups(a, b, clusters)
    return _margin(found, margin, found.above(-margin), alpha)


def equivalent(
    a: ArrayLike,
    b: ArrayLike,
    *,
    margin: float,
    paired: bool = True,
    clusters: Clusters | None = None,
    alpha: float = 0.05,
) -> Margin:
    """Do a and b differ by less than `margin` either way? Two one-sided tests, each at `alpha`."""
    _check(margin)
    found = _paired(a, b, clusters) if paired else _groups(a, b, clusters)
    return _margin(found, margin, max(found.above(-margin), found.below(margin)), alpha)


def rates_difference(
    successes_a: float, n_a: float, successes_b: float, n_b: float, *, level: float = 0.95
) -> Estimate:
    """b - a of two independent rates with the score interval of Miettinen and Nurminen. Effective numbers of trials,
    which need not be whole, are fine.

    Raises:
        ValueError: a group without trials, or not 0 <= successes <= n.

    >>> found = rates_difference(56, 70, 48, 80)
    >>> round(found.low, 3), round(found.high, 3)
    (-0.338, -0.053)
    """
    counts = (successes_a, n_a, successes_b, n_b)
    if min(n_a, n_b) < 1 or not (0 <= successes_a <= n_a and 0 <= successes_b <= n_b):
        raise ValueError(
            f"{successes_a} of {n_a} and {successes_b} of {n_b}; expected 0 <= successes <= n > 0"
        )
    found = successes_b / n_b - successes_a / n_a
    score = _Score(found, n_a + n_b, lambda delta: score_z(*counts, delta, inflate=True))
    return Estimate(found, *score.interval(level), round(n_a + n_b))


def paired_rates_difference(gained: int, lost: int, n: int, *, level: float = 0.95) -> Estimate:
    """(gained - lost) / n of 0/1 pairs with Tango's score interval.

    >>> found = paired_rates_difference(0, 12, 14)
    >>> round(found.low, 3), round(found.high, 3)
    (-0.96, -0.457)
    """
    score = _Score((gained - lost) / n, n, lambda delta: tango_z(gained, lost, n, delta))
    return Estimate(score.difference, *score.interval(level), n)


def score_z(s_a: float, n_a: float, s_b: float, n_b: float, delta: float, *, inflate: bool = False) -> float:
    """z of "b - a is delta" for two rates, its variance at the best fit under delta.

    `inflate` multiplies the variance by N / (N - 1), as Miettinen and Nurminen do.
    """
    total, ratio = n_a + n_b, n_a / n_b
    p_a, p_b = s_a / n_a, s_b / n_b
    a = 1 + ratio
    b = -(1 + ratio + p_b + ratio * p_a + delta * (ratio + 2))
    c = delta**2 + delta * (2 * p_b + ratio + 1) + p_b + ratio * p_a
    d = -p_b * delta * (1 + delta)
    fit_b = _middle_root(a, b, c, d)
    fit_a = fit_b - delta
    variance = max(0.0, fit_b * (1 - fit_b)) / n_b + max(0.0, fit_a * (1 - fit_a)) / n_a
    if inflate:
        variance *= total / (total - 1)
    return _ratio(p_b - p_a - delta, variance)


def tango_z(gained: int, lost: int, n: int, delta: float) -> float:
    """z of "(gained - lost) / n is delta" for n pairs, its variance at the best fit under delta."""
    a, b, c = 2 * n, -gained - lost + (2 * n - gained + lost) * delta, -lost * delta * (1 - delta)
    down = (np.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    return _ratio(gained - lost - n * delta, n * (2 * down + delta * (1 - delta)))


class _Score(NamedTuple):
    """A test statistic as a function of the difference supposed true; it falls as that difference rises."""

    difference: float
    n: float
    at: Callable[[float], float]
    df: float = float("inf")  # of t; infinity is the normal law
    widest: float = 1.0  # the largest difference there can be; infinity where `at` is a straight line

    def above(self, delta: float) -> float:
        """p of "the difference is at most delta"."""
        return float(distributions.t.sf(self.at(delta), self.df))

    def below(self, delta: float) -> float:
        """p of "the difference is at least delta"."""
        return float(distributions.t.cdf(self.at(delta), self.df))

    def interval(self, level: float) -> tuple[float, float]:
        """The differences that a two-sided test at 1 - level does not refute."""
        edge = float(distributions.t.ppf(0.5 + level / 2, self.df))
        if not np.isfinite(self.widest):
            half = edge / (self.at(0.0) - self.at(1.0))
            return self.difference - half, self.difference + half
        return (
            _root(lambda delta: self.at(delta) - edge, -self.widest, self.difference),
            _root(lambda delta: self.at(delta) + edge, self.widest, self.difference),
        )


def _paired(a: ArrayLike, b: ArrayLike, clusters: Clusters | None) -> _Score:
    x, y = values_of(a), values_of(b)
    if len(x) != len(y) or len(x) < 2:
        raise ValueError(
            f"{len(x)} values of a, {len(y)} of b; expected the same items in both, at least two"
        )
    codes = codes_of(clusters, len(x))
    if is_binary(x) and is_binary(y) and codes is None:
        gained, lost, n = int((y > x).sum()), int((y < x).sum()), len(x)
        return _Score((gained - lost) / n, n, lambda delta: tango_z(gained, lost, n, delta))
    return _t(spread(y - x, codes=codes), len(x))


def _groups(a: ArrayLike, b: ArrayLike, clusters: Clusters | None) -> _Score:
    if clusters is not None:
        raise ValueError("clusters are for paired values; give one value a cluster instead")
    x, y = values_of(a), values_of(b)
    if min(len(x), len(y)) < 2:
        raise ValueError(f"{len(x)} values of a and {len(y)} of b; expected at least two of each")
    n = len(x) + len(y)
    if is_binary(x) and is_binary(y):
        counts = int(x.sum()), len(x), int(y.sum()), len(y)
        return _Score(float(y.mean() - x.mean()), n, lambda delta: score_z(*counts, delta))
    parts = x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)
    bottom = parts[0] ** 2 / (len(x) - 1) + parts[1] ** 2 / (len(y) - 1)
    df = sum(parts) ** 2 / bottom if bottom > 0 else 1.0
    return _t(Spread(float(y.mean() - x.mean()), float(np.sqrt(sum(parts))), float(df), float(n)), n)


def _t(found: Spread, n: int) -> _Score:
    if found.se == 0:
        raise ValueError("every difference is the same, so nothing is known of their spread; give more items")
    return _Score(found.mean, n, lambda delta: (found.mean - delta) / found.se, found.df, float("inf"))


def _margin(found: _Score, margin: float, p: float, alpha: float) -> Margin:
    low, high = found.interval(1 - 2 * alpha)
    return Margin(p <= alpha, found.difference, low, high, p, margin, round(found.n))


def _middle_root(a: float, b: float, c: float, d: float) -> float:
    """The root of the likelihood's cubic that lies in range (Farrington and Manning 1990, appendix)."""
    v = b**3 / (27 * a**3) - b * c / (6 * a**2) + d / (2 * a)
    u = np.copysign(np.sqrt(max(0.0, b**2 / (9 * a**2) - c / (3 * a))), v)
    angle = (np.pi + np.arccos(np.clip(v / u**3, -1, 1) if u != 0 else 0.0)) / 3
    return float(np.clip(2 * u * np.cos(angle) - b / (3 * a), 0.0, 1.0))


def _ratio(distance: float, variance: float) -> float:
    if distance == 0:
        return 0.0
    return float(distance / np.sqrt(variance)) if variance > 0 else float(np.copysign(np.inf, distance))


def _root(f: Callable[[float], float], edge: float, inside: float) -> float:
    """Where f changes its sign between `edge` and `inside`; the edge itself where it does not."""
    outer = edge * (1 - 1e-12)
    if f(outer) * f(inside) >= 0:
        return edge
    return float(optimize.brentq(lambda x: float(np.clip(f(x), -1e6, 1e6)), outer, inside, xtol=1e-10))


def _check(margin: float) -> None:
    if margin <= 0:
        raise ValueError(f"margin {margin}; expected the largest acceptable difference, above 0")
