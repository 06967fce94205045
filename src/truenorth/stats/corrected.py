"""A rate told by a judge that errs, corrected for its errors, with their own uncertainty included.

Sources: Rogan and Gladen (1978) for the estimate; Lang and Reiczigel (2014) for the interval, which counts the
judge's sensitivity and specificity as measured, not known. Where human labels are a random draw from the same
items, `ppi_mean` is as good and asks less.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as distributions

from truenorth.base import UserError
from truenorth.stats.estimate import (
    Clusters,
    Estimate,
    clopper_pearson,
    codes_of,
    effective,
    hits,
    is_binary,
    spread,
    values_of,
)
from truenorth.stats.margins import rates_difference


class Counts(NamedTuple):
    """`right` of `n` labelled cases that the judge called as people did."""

    right: int
    n: int


def rogan_gladen(
    flags: ArrayLike,
    *,
    sensitivity: tuple[int, int],
    specificity: tuple[int, int],
    clusters: Clusters | None = None,
    level: float = 0.95,
    least: float = 0.1,
) -> Estimate:
    """The true rate behind a judge's 0/1 `flags`.

    Args:
        sensitivity: (flagged, n) of cases that people call true.
        specificity: (not flagged, n) of cases that people call false.
        least: the least sensitivity + specificity - 1 that is worth correcting with; at 0.1 the judge's
            errors make intervals ten times as wide.

    Raises:
        UserError: the judge may tell nothing (its interval for sensitivity + specificity - 1 reaches below
            `least`), or flags so rarely or so often that a judge with these errors could not have done it, so
            that the labels are not from the same kind of cases.

    >>> found = rogan_gladen([1] * 40 + [0] * 60, sensitivity=(900, 1000), specificity=(950, 1000))
    >>> round(found.mean, 4)
    0.4118
    """
    x = values_of(flags)
    if len(x) == 0 or not is_binary(x):
        raise ValueError("expected flags of 0 or 1, at least one")
    se, sp = Counts(*sensitivity), Counts(*specificity)
    _informative(se, sp, level, least)
    rate = float(x.mean())
    told = (rate + sp.right / sp.n - 1) / (se.right / se.n + sp.right / sp.n - 1)
    low, high = _lang_reiczigel(rate, *_size(x, clusters, level), se, sp)
    if low > 1 or high < 0:
        possible = f"{1 - sp.right / sp.n:.1%} to {se.right / se.n:.1%}"
        raise UserError(
            f"the judge flags {rate:.1%}, which its own errors rule out",
            expected=f"{possible}, the rates it gives when nothing or everything is true",
            fix="measure its sensitivity and specificity on cases like these",
        )
    bound = [min(1.0, max(0.0, value)) for value in (told, low, high)]
    return Estimate(bound[0], bound[1], bound[2], len(x))


def _lang_reiczigel(rate: float, n: float, z: float, se: Counts, sp: Counts) -> tuple[float, float]:
    z2 = z * z
    size, size_se, size_sp = n + z2, se.n + 2, sp.n + 2
    p = (n * rate + z2 / 2) / size
    s, c = (se.right + 1) / size_se, (sp.right + 1) / size_sp
    told = (p + c - 1) / (s + c - 1)
    shift = 2 * z2 * (told * s * (1 - s) / size_se - (1 - told) * c * (1 - c) / size_sp)
    variance = p * (1 - p) / size + told**2 * s * (1 - s) / size_se
    variance += (1 - told) ** 2 * c * (1 - c) / size_sp
    half = z * np.sqrt(variance) / (s + c - 1)
    return float(told + shift - half), float(told + shift + half)


def _size(x: np.ndarray, clusters: Clusters | None, level: float) -> tuple[float, float]:
    """(effective number of flags, quantile)."""
    codes = codes_of(clusters, len(x))
    if codes is None:
        return float(len(x)), float(distributions.norm.ppf(0.5 + level / 2))
    return effective(x, spread(x, codes=codes), hit=hits(x, codes), level=level)


def _informative(se: Counts, sp: Counts, level: float, least: float) -> None:
    for name, counts in (("sensitivity", se), ("specificity", sp)):
        clopper_pearson(counts.right, counts.n)  # refuses impossible counts
        if counts.n < 2:
            raise UserError(f"{name} from {counts.n} label", expected="at least two, better a hundred")
    told = rates_difference(sp.n - sp.right, sp.n, se.right, se.n, level=level)
    if told.low < least:
        raise UserError(
            f"the judge tells too little: sensitivity + specificity - 1 is {told.mean:.2f}, "
            f"{told.low:.2f} to {told.high:.2f}",
            expected=f"at least {least:g} with confidence",
            fix="label more cases, or take another judge",
        )
