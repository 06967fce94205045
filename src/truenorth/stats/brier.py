"""The Brier score of probability forecasts, whole and in three parts.

Sources: Brier (1950); Murphy (1973) for the parts; Broecker (2012) is why the first two are biased by noise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from truenorth.stats.estimate import Clusters, Estimate, mean, values_of


class Murphy(NamedTuple):
    """brier = reliability - resolution + uncertainty, exactly, for forecasts that take few distinct values.

    reliability: how far forecasts are from what happened (0 is best). resolution: how far groups of equal
    forecasts differ from one another (larger is better). uncertainty: the outcomes' own variance.
    """

    reliability: float
    resolution: float
    uncertainty: float


def brier(
    forecast: ArrayLike, outcome: ArrayLike, *, clusters: Clusters | None = None, level: float = 0.95
) -> Estimate:
    """Mean squared distance of forecasts in [0, 1] to outcomes 0 or 1; 0 is best, 0.25 is always saying 0.5.

    >>> round(brier([0.9, 0.2], [1, 0]).mean, 3)
    0.025
    """
    p, y = _checked(forecast, outcome)
    return mean((p - y) ** 2, clusters=clusters, level=level)


def murphy(forecast: ArrayLike, outcome: ArrayLike) -> Murphy:
    """The Brier score's parts, over groups of equal forecasts; round forecasts first where all differ.

    >>> murphy([0.5, 0.5], [0, 1])
    Murphy(reliability=0.0, resolution=0.0, uncertainty=0.25)
    """
    p, y = _checked(forecast, outcome)
    value_K, group_N = np.unique(p, return_inverse=True)
    size_K = np.bincount(group_N)
    rate_K = np.bincount(group_N, y) / size_K
    base = y.mean()
    reliability = float((size_K * (value_K - rate_K) ** 2).sum() / len(p))
    resolution = float((size_K * (rate_K - base) ** 2).sum() / len(p))
    return Murphy(reliability, resolution, float(base * (1 - base)))


def _checked(forecast: ArrayLike, outcome: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    p, y = values_of(forecast), values_of(outcome)
    if len(p) != len(y) or len(p) == 0:
        raise ValueError(f"{len(p)} forecasts and {len(y)} outcomes; expected as many, at least one")
    if ((p < 0) | (p > 1)).any() or not np.isin(y, (0, 1)).all():
        raise ValueError("expected forecasts in [0, 1] and outcomes 0 or 1")
    return p, y
