"""What a planned comparison can show: power, and the smallest difference it would see.

Each is the inverse of a size in `power`, by bisection, so that the two always agree. Sources as there; sizes for
margins as in Julious (2004).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy import optimize
from scipy import stats as distributions


def power_rates(difference: float, *, rate: float, n: int, level: float = 0.95) -> float:
    """Chance that two independent groups of `n` each show `rate` and `rate + difference` to differ.

    Raises:
        ValueError: a rate outside [0, 1].

    >>> round(power_rates(0.05, rate=0.5, n=1565), 2)
    0.8
    """
    other = rate + difference
    if not (0 <= rate <= 1 and 0 <= other <= 1):
        raise ValueError(f"rates {rate} and {other}; expected both in [0, 1]")
    middle = (rate + other) / 2
    null = _z(level) * math.sqrt(2 * middle * (1 - middle) / n)
    spread = math.sqrt((rate * (1 - rate) + other * (1 - other)) / n)
    return _cdf((abs(difference) - null) / spread) if spread > 0 else float(abs(difference) > null)


def power_paired(difference: float, *, discordant: float, n: int, level: float = 0.95) -> float:
    """Chance that McNemar's test on `n` items shows `difference`, a share `discordant` of them differing.

    Raises:
        ValueError: a discordant share below |difference| or above 1.

    >>> round(power_paired(0.05, discordant=0.2, n=626), 2)
    0.8
    """
    if not abs(difference) <= discordant <= 1:
        raise ValueError(f"discordant share {discordant}; expected at least |difference| and at most 1")
    spread = math.sqrt(discordant - difference**2)
    reach = abs(difference) * math.sqrt(n) - _z(level) * math.sqrt(discordant)
    return _cdf(reach / spread) if spread > 0 else float(reach > 0)


def detectable_rates(n: int, *, rate: float, level: float = 0.95, power: float = 0.8) -> float:
    """The smallest rise from `rate` that two independent groups of `n` show; nan if even 1 is too near.

    >>> round(detectable_rates(1565, rate=0.5), 3)
    0.05
    """
    return _smallest(lambda d: power_rates(d, rate=rate, n=n, level=level), 1 - rate, power)


def detectable_paired(n: int, *, discordant: float, level: float = 0.95, power: float = 0.8) -> float:
    """The smallest paired difference of rates that `n` items show; nan if no difference so discordant is.

    >>> round(detectable_paired(626, discordant=0.2), 3)
    0.05
    """
    return _smallest(lambda d: power_paired(d, discordant=discordant, n=n, level=level), discordant, power)


def needed_n_margin(margin: float, *, discordant: float, alpha: float = 0.025, power: float = 0.8) -> int:
    """Items for "b is at most `margin` worse than a", paired, when in truth they are equally good.

    Raises:
        ValueError: a margin that is not above 0, or a discordant share outside (0, 1].

    >>> needed_n_margin(0.02, discordant=0.1)
    1963
    """
    if margin <= 0:
        raise ValueError(f"margin {margin}; expected the largest acceptable loss, above 0")
    if not 0 < discordant <= 1:
        raise ValueError(f"discordant share {discordant}; expected above 0 and at most 1")
    reach = distributions.norm.ppf(1 - alpha) + distributions.norm.ppf(power)
    return math.ceil(discordant * (reach / margin) ** 2 - 1e-9)


def _smallest(power_at: Callable[[float], float], largest: float, power: float) -> float:
    if largest <= 0 or power_at(largest) < power:
        return float("nan")
    return float(optimize.brentq(lambda d: power_at(d) - power, 1e-12, largest, xtol=1e-9))


def _z(level: float) -> float:
    return float(distributions.norm.ppf(0.5 + level / 2))


def _cdf(z: float) -> float:
    return float(distributions.norm.cdf(z))
