"""How many items a claim needs, and whether "kept within 2 points" can be claimed already.

Sources: the usual normal-theory sizes (Fleiss, Levin, Paik, chapter 4; Connor 1987 for McNemar's test);
non-inferiority by the interval against a margin fixed beforehand (CONSORT extension, Piaggio et al. 2012).
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from scipy import stats as distributions

from truenorth.stats.paired import Paired


def needed_n(difference: float, *, rate: float, level: float = 0.95, power: float = 0.8) -> int:
    """Items in each of two independent groups to tell `rate` from `rate + difference`.

    Raises:
        ValueError: a rate outside [0, 1].

    >>> needed_n(0.05, rate=0.5)
    1565
    """
    other = rate + difference
    _check(difference)
    if not (0 <= rate <= 1 and 0 <= other <= 1):
        raise ValueError(f"rates {rate} and {other}; expected both in [0, 1]")
    middle = (rate + other) / 2
    null = _z(level) * math.sqrt(2 * middle * (1 - middle))
    alternative = _power(power) * math.sqrt(rate * (1 - rate) + other * (1 - other))
    return _ceil(((null + alternative) / difference) ** 2)


def needed_n_paired(difference: float, *, discordant: float, level: float = 0.95, power: float = 0.8) -> int:
    """Items both systems must answer for McNemar's test to see `difference`, if a share `discordant` differs.

    Raises:
        ValueError: a discordant share below |difference| or above 1.

    >>> needed_n_paired(0.05, discordant=0.2)
    626
    """
    _check(difference)
    if not abs(difference) <= discordant <= 1:
        raise ValueError(f"discordant share {discordant}; expected at least |difference| and at most 1")
    spread = math.sqrt(discordant - difference**2)
    return _ceil(((_z(level) * math.sqrt(discordant) + _power(power) * spread) / difference) ** 2)


def needed_n_mean(difference: float, *, sd: float, level: float = 0.95, power: float = 0.8) -> int:
    """Items for a mean of paired differences with standard deviation `sd` to be told from zero."""
    _check(difference)
    return _ceil(((_z(level) + _power(power)) * sd / difference) ** 2)


def detectable(n: int, *, sd: float, level: float = 0.95, power: float = 0.8) -> float:
    """The smallest mean paired difference that `n` items show with `power`: 2.80 sd / sqrt(n) by default."""
    return (_z(level) + _power(power)) * sd / math.sqrt(n)


class Kept(NamedTuple):
    """Whether a capability was kept within `margin` (non-inferiority), and what it would take to tell."""

    verdict: Literal["yes", "no", "cannot tell"]
    difference: float
    low: float
    high: float
    margin: float
    more: int = 0  # further items needed to tell; 0 when told, -1 when the loss sits on the margin itself

    def __str__(self) -> str:
        points = f"kept within {self.margin * 100:g} points: {self.verdict}"
        if self.verdict != "cannot tell":
            return points
        return points + (f", need {self.more:,} more" if self.more > 0 else ", the loss is the margin itself")


def kept(comparison: Paired, *, margin: float = 0.02, power: float = 0.8) -> Kept:
    """Yes if the whole interval lies above -margin, no if below, otherwise "cannot tell, need n more".

    The interval shown is the interval judged, so a yes errs in at most 2.5 % of true losses beyond the
    margin. `more` is planned for no true loss, with `power`; where n already exceeds that plan, for the loss
    observed.

    Args:
        margin: the loss that would still be accepted, on the scale of the scores; fixed before looking.

    Raises:
        ValueError: a margin that is not above 0.
    """
    if margin <= 0:
        raise ValueError(f"margin {margin}; expected the largest acceptable loss, above 0")
    difference, low, high, n = comparison.difference, comparison.low, comparison.high, comparison.n
    if low > -margin:
        return Kept("yes", difference, low, high, margin)
    if high < -margin:
        return Kept("no", difference, low, high, margin)
    if n == 0 or not math.isfinite(high - low):
        return Kept("cannot tell", difference, low, high, margin, needed_n_paired(margin, discordant=0.5))
    sd = (high - low) / 2 / _z(0.95) * math.sqrt(n)
    planned = _ceil(((_z(0.95) + _power(power)) * sd / margin) ** 2)
    if planned <= n:
        distance = abs(difference + margin)
        planned = _ceil(((_z(0.95) + _power(power)) * sd / distance) ** 2) if distance > 1e-9 else n - 1
    return Kept("cannot tell", difference, low, high, margin, planned - n)


def _z(level: float) -> float:
    return float(distributions.norm.ppf(0.5 + level / 2))


def _power(power: float) -> float:
    return float(distributions.norm.ppf(power))


def _check(difference: float) -> None:
    if difference == 0:
        raise ValueError("a difference of 0 needs infinitely many items; give the smallest that matters")


def _ceil(n: float) -> int:
    return math.ceil(n - 1e-9)
