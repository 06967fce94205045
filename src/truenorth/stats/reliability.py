"""How far several annotators agree beyond chance: Krippendorff's alpha and Fleiss' kappa, with intervals.

Sources: Krippendorff (2011), "Computing Krippendorff's alpha-reliability", the coincidence matrix; Fleiss
(1971). The interval is Student's t on the statistic's influence, an item at a time, so that it may be
clustered, taken on the logarithm of 1 - alpha, which is less skewed and keeps it below 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats as distributions

from truenorth.stats.estimate import Clusters, Estimate, Floats, codes_of, spread, wilson

Level = Literal["nominal", "ordinal", "interval", "ratio"]
Ratings = Sequence[Sequence[Any]]  # an item a row, an annotator a column; None where one did not rate


def krippendorff(
    ratings: Ratings,
    *,
    scale: Level = "nominal",
    clusters: Clusters | None = None,
    level: float = 0.95,
) -> Estimate:
    """Krippendorff's alpha: 1 agreement, 0 what chance gives; nan where nothing ever differed.

    Items with fewer than two ratings say nothing about agreement and are counted as abstained. At or above
    0.8 is firm, 0.667 to 0.8 tentative (Krippendorff 2004); where one label is rare report plain agreement too.

    Args:
        ratings: rows are items; any labels for `nominal`, numbers for the others.
        clusters: one label an item, where items belong together.

    >>> krippendorff([[1, 1], [2, 2], [1, 1]]).mean
    1.0
    """
    count_UK, value_K, paired = _counts(ratings, scale)
    if len(count_UK) == 0 or (count_UK.sum(0) > 0).sum() < 2:
        return Estimate(float("nan"), -1.0, 1.0, len(count_UK), len(ratings) - len(count_UK))
    apart_KK = _distance(scale, value_K, count_UK.sum(0))
    observed_U, total_K = _disagreement(count_UK, apart_KK), count_UK.sum(0)
    n = total_K.sum()
    expected = float(total_K @ apart_KK @ total_K) / (n - 1)
    alpha = float(1 - observed_U.sum() / expected)
    influence_U = _influence(count_UK, observed_U, apart_KK, alpha, expected)
    codes = codes_of([clusters[i] for i in paired] if clusters is not None else None, len(count_UK))
    low, high = _interval(alpha, influence_U, codes, level)
    return Estimate(alpha, low, high, len(count_UK), len(ratings) - len(count_UK))


def fleiss(ratings: Ratings, *, clusters: Clusters | None = None, level: float = 0.95) -> Estimate:
    """Fleiss' kappa; every item needs the same number of ratings, not necessarily of the same people.

    Raises:
        ValueError: items with different numbers of ratings; use `krippendorff`.

    >>> round(fleiss([[1, 1, 2], [2, 2, 2], [1, 1, 1]]).mean, 3)
    0.55
    """
    count_UK, _, paired = _counts(ratings, "nominal")
    sizes = {int(row.sum()) for row in count_UK}
    if len(paired) < len(ratings) or len(sizes) > 1:
        raise ValueError("items with different numbers of ratings; use krippendorff")
    each, items = sizes.pop(), len(count_UK)
    agree_U = ((count_UK**2).sum(1) - each) / (each * (each - 1))
    share_K = count_UK.mean(0) / each
    chance = float(share_K @ share_K)
    if chance == 1.0:
        return Estimate(float("nan"), -1.0, 1.0, items)
    observed = float(agree_U.mean())
    value = (observed - chance) / (1 - chance)
    moved_U = 2 * (count_UK / each - share_K) @ share_K  # what an item adds to chance agreement
    influence_U = (agree_U - observed) / (1 - chance) - (1 - observed) / (1 - chance) ** 2 * moved_U
    return Estimate(value, *_interval(value, influence_U, codes_of(clusters, items), level), items)


def _interval(
    value: float, influence_U: Floats, codes: NDArray[np.intp] | None, level: float
) -> tuple[float, float]:
    """Around 1 - (1 - value) exp(+- t se). Perfect agreement: were one item in so many as bad as chance."""
    found = spread(influence_U, codes=codes)
    quantile = float(distributions.t.ppf(0.5 + level / 2, found.df))
    if value == 1:
        return 1 - wilson(0, found.evenness, z=quantile)[1], 1.0
    if not np.isfinite(found.se):
        return -1.0, 1.0
    reach = np.exp(quantile * found.se / (1 - value))
    return float(1 - (1 - value) * reach), float(1 - (1 - value) / reach)


def _counts(ratings: Ratings, scale: Level) -> tuple[Floats, Floats, list[int]]:
    """(how often each item got each value, the values, which items have two ratings or more)."""
    rows = [[x for x in row if x is not None and x == x] for row in ratings]  # nan is unequal to itself
    paired = [i for i, row in enumerate(rows) if len(row) > 1]
    labels = dict.fromkeys(x for i in paired for x in rows[i])
    order = list(labels) if scale == "nominal" else sorted(labels)
    place = {label: k for k, label in enumerate(order)}
    count_UK = np.zeros((len(paired), len(order)))
    for u, i in enumerate(paired):
        for x in rows[i]:
            count_UK[u, place[x]] += 1
    value_K = np.arange(len(order), dtype=np.float64)
    return count_UK, value_K if scale == "nominal" else np.array(order, dtype=np.float64), paired


def _distance(scale: Level, value_K: Floats, total_K: Floats) -> Floats:
    """Squared difference of each pair of values."""
    gap_KK = value_K[:, None] - value_K[None, :]
    if scale == "nominal":
        return (gap_KK != 0).astype(np.float64)
    if scale == "interval":
        return gap_KK**2
    if scale == "ratio":
        sum_KK = value_K[:, None] + value_K[None, :]
        return np.divide(gap_KK, sum_KK, out=np.zeros_like(gap_KK), where=sum_KK != 0) ** 2
    middle_K = np.cumsum(total_K) - total_K / 2  # ordinal: how many ratings lie between
    return (middle_K[:, None] - middle_K[None, :]) ** 2


def _disagreement(count_UK: Floats, apart_KK: Floats) -> Floats:
    """Each item's disagreement: its pairs' squared differences, over its ratings less one."""
    return ((count_UK @ apart_KK) * count_UK).sum(1) / (count_UK.sum(1) - 1)


def _influence(
    count_UK: Floats, observed_U: Floats, apart_KK: Floats, alpha: float, expected: float
) -> Floats:
    """By how much each item moves alpha, times the number of items (the distances held fixed)."""
    total_K, items = count_UK.sum(0), len(count_UK)
    n = total_K.sum()
    moved_U = 2 * (count_UK @ apart_KK @ total_K) / (n - 1) - count_UK.sum(1) * expected / (n - 1)
    return -items * (observed_U - (1 - alpha) * moved_U) / expected
