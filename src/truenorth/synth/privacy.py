"""How much privacy noise buys: accountants for the Gaussian mechanism on random batches, and their sum.

Two of them. Renyi differential privacy is fast and a little pessimistic (Mironov, Talwar, Zhang, "Renyi Differential
Privacy of the Sampled Gaussian Mechanism", 2019; to epsilon by Canonne, Kamath, Steinke, 2020, proposition 12, as
opacus and dp-accounting do). Privacy loss distributions are tight (Koskela, Jalko, Honkela, 2020; rounded upwards, so
that epsilon is never too small). Neighbours differ by one row added or removed; batches are Poisson: each row takes
part with the same probability, independently. Settings chosen by looking at private data are in none of these numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from truenorth.base import UserError

Floats = NDArray[Any]
ORDERS = (*(1 + x / 10 for x in range(1, 100)), *range(11, 64), 128, 256, 512, 1024)
FINEST = 1 << 20  # points of the grid of privacy losses
TAIL = 1e-6  # of delta, left outside the grid and counted as lost


class Release(NamedTuple):
    """Something noisy that was computed from private rows.

    noise: standard deviation over sensitivity (DP-SGD: the noise multiplier). rate: probability that a row takes part.
    steps: how often.
    """

    noise: float
    rate: float = 1.0
    steps: int = 1


class Spent(NamedTuple):
    """(epsilon, delta) of all releases together, and of each alone."""

    epsilon: float
    delta: float
    each: tuple[float, ...]


def spent(releases: Sequence[Release], delta: float, *, rows: int | None = None, tight: bool = True) -> Spent:
    """What releases from the same rows cost together.

    Args:
        rows: how many there are; delta must be below 1 / rows, else one row may be published as it is.
        tight: by privacy loss distributions; else Renyi's.

    Raises:
        UserError: settings out of range.
    """
    _check(releases, delta)
    if rows is not None and delta >= 1 / rows:
        raise UserError(f"delta {delta}", where="privacy", expected=f"below 1 / {rows} rows")
    cost = pld_epsilon if tight else rdp_epsilon
    each = tuple(cost([release], delta) for release in releases)
    return Spent(each[0] if len(each) == 1 else cost(releases, delta), delta, each)


def noise_for(
    epsilon: float, delta: float, *, rate: float = 1.0, steps: int = 1, tight: bool = True
) -> float:
    """The least noise (to 0.1 %) with which so many steps cost at most `epsilon`.

    Raises:
        UserError: no noise below 10,000 is enough, or settings out of range.
    """
    _check([Release(1.0, rate, steps)], delta)
    cost = pld_epsilon if tight else rdp_epsilon
    if not epsilon > 0:
        raise UserError(f"epsilon {epsilon}", where="privacy", expected="above 0")
    high = 0.1
    while rdp_epsilon([Release(high, rate, steps)], delta) > epsilon:  # the other accountant asks for no more
        high *= 1.25
        if high > 1e4:
            raise UserError(
                f"no noise gives epsilon {epsilon}", where="privacy", fix="fewer steps, or a larger delta"
            )
    low = high / 2
    while cost([Release(low, rate, steps)], delta) <= epsilon and low > 1e-3:
        low, high = low / 2, low
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if cost([Release(middle, rate, steps)], delta) > epsilon else (low, middle)
    return high


def rdp_epsilon(releases: Sequence[Release], delta: float) -> float:
    """Epsilon by Renyi divergences: the best order's."""
    found = math.inf
    for order in ORDERS:
        divergence = sum(r.steps * renyi(r.noise, r.rate, order) for r in releases)
        epsilon = divergence + math.log1p(-1 / order) - math.log(delta * order) / (order - 1)
        found = min(found, epsilon)
    return max(0.0, found)


def renyi(noise: float, rate: float, order: float) -> float:
    """The Renyi divergence of one step at an order above 1, in nats (Mironov et al., section 3.3)."""
    if rate == 1.0:
        return order / (2 * noise**2)
    if float(order).is_integer():
        k = np.arange(int(order) + 1)
        terms = _log_binomial(order, k) + k * math.log(rate) + (order - k) * math.log1p(-rate)
        return float(special.logsumexp(terms + (k * k - k) / (2 * noise**2))) / (order - 1)
    return _fractional(noise, rate, order) / (order - 1)


def _fractional(noise: float, rate: float, order: float) -> float:
    """log of the integral for an order that is no whole number: two series that alternate in the end."""
    split = noise**2 * math.log(1 / rate - 1) + 0.5
    i = np.arange(int(order) + 400, dtype=np.float64)
    j = order - i
    sign = special.gammasgn(j + 1)
    log_c = _log_binomial(order, i)
    below = log_c + i * math.log(rate) + j * math.log1p(-rate) + (i * i - i) / (2 * noise**2)
    above = log_c + j * math.log(rate) + i * math.log1p(-rate) + (j * j - j) / (2 * noise**2)
    below += special.log_ndtr((split - i) / noise)
    above += special.log_ndtr((j - split) / noise)
    return float(special.logsumexp(np.concatenate([below, above]), b=np.concatenate([sign, sign])))


def _log_binomial(n: float, k: Floats) -> Floats:
    return special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)


def pld_epsilon(releases: Sequence[Release], delta: float) -> float:
    """Epsilon by privacy loss distributions on a grid; the worse of adding and removing a row."""
    return max(_pld(releases, delta, removed=removed) for removed in (True, False))


def _pld(releases: Sequence[Release], delta: float, *, removed: bool) -> float:
    """Losses of all steps, added up by Fourier transforms."""
    reach = max(rdp_epsilon(releases, delta * TAIL), 1.0)  # beyond it lies less than TAIL of delta
    width = 2 * reach
    steps = sum(release.steps for release in releases)
    points = int(min(FINEST, 2 ** math.ceil(math.log2(max(4096.0, width * 1500 * math.sqrt(steps))))))
    grid = width / points
    whole = np.ones(points // 2 + 1, complex)
    lost = 0.0
    for release in releases:
        mass, outside = _losses(release, grid, points, removed=removed)
        whole = whole * np.fft.rfft(mass) ** release.steps
        lost += release.steps * outside
    mass = np.maximum(np.fft.irfft(whole, points), 0.0)
    loss = grid * np.where(np.arange(points) < points // 2, np.arange(points), np.arange(points) - points)

    def excess(epsilon: float) -> float:
        above = loss > epsilon
        return float((mass[above] * -np.expm1(epsilon - loss[above])).sum()) + lost + delta * TAIL - delta

    if excess(0.0) <= 0:
        return 0.0
    if excess(reach) > 0:
        return rdp_epsilon(releases, delta)
    return float(optimize.brentq(excess, 0.0, reach, xtol=1e-6))


def _losses(release: Release, grid: float, points: int, *, removed: bool) -> tuple[Floats, float]:
    """The distribution of one step's privacy loss, rounded up to multiples of `grid` from -points / 2 (those below 0
    at the end, as transforms have it), and what lies above.

    P = (1 - q) N(0, s^2) + q N(1, s^2), Q = N(0, s^2). Removed: log P/Q under P, which rises with x; added: log Q/P
    under Q, which falls with x.
    """
    noise, rate, _ = release
    edge = grid * np.arange(-(points // 2), points // 2 + 1)
    if removed:
        x = _where(edge, noise, rate)
        below = (1 - rate) * special.ndtr(x / noise) + rate * special.ndtr((x - 1) / noise)
    else:
        x = _where(-edge, noise, rate)
        below = special.ndtr(-x / noise)
    mass = np.diff(below, prepend=0.0)[
        :-1
    ]  # what is below the first edge counts as at it; the last edge is outside
    return np.roll(mass, -(points // 2)), float(1 - below[-2])


def _where(loss: Floats, noise: float, rate: float) -> Floats:
    """The x at which log P/Q is `loss`; minus infinity where it is nowhere that small."""
    inside = -np.expm1(-loss) + rate * np.exp(-loss)  # (e^loss - (1 - q)) / e^loss
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratio = np.where(inside > 0, loss + np.log(np.maximum(inside, 1e-300)) - math.log(rate), -np.inf)
    return noise**2 * log_ratio + 0.5


def gaussian_epsilon(noise: float, delta: float) -> float:
    """Epsilon of one release with Gaussian noise, exactly (Balle and Wang, 2018, theorem 8)."""

    def excess(epsilon: float) -> float:
        a, b = 0.5 / noise, epsilon * noise
        return float(special.ndtr(a - b) - np.exp(epsilon + special.log_ndtr(-a - b))) - delta

    if excess(0.0) <= 0:
        return 0.0
    return float(
        optimize.brentq(excess, 0.0, 1 + 1 / noise**2 + 10 * math.sqrt(-math.log(delta)) / noise, xtol=1e-10)
    )


def _check(releases: Sequence[Release], delta: float) -> None:
    if not releases or not 0 < delta < 1:
        raise UserError(
            f"{len(releases)} releases, delta {delta}", where="privacy", expected="delta in (0, 1)"
        )
    for r in releases:
        if not (r.noise > 0 and 0 < r.rate <= 1 and r.steps >= 1):
            expected = "noise above 0, rate in (0, 1], steps of 1 or more"
            raise UserError(str(r), where="privacy", expected=expected)
