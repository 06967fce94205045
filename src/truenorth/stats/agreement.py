"""Do two raters agree, and does a judge's confidence mean what it says?

Sources: Cohen (1960); the variance of kappa of Fleiss, Cohen and Everitt (1969), written as an influence
function; expected calibration error as in Naeini et al. (2015), right-closed bins of equal width.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as distributions

from truenorth.stats.estimate import Clusters, Estimate, codes_of, values_of, wilson


def kappa(
    a: Sequence[Hashable], b: Sequence[Hashable], *, clusters: Clusters | None = None, level: float = 0.95
) -> Estimate:
    """Cohen's kappa of two raters: 1 agreement, 0 what chance gives; nan where both only ever used one label.

    The interval has the width of the delta method (cluster-robust with clusters) and the shape of Wilson's,
    so perfect agreement on few items does not look certain. Kappa falls when one label is rare: report the
    plain agreement beside it.

    Raises:
        ValueError: not as many labels of a as of b.

    >>> round(kappa("y" * 25 + "n" * 25, "y" * 20 + "n" * 5 + "y" * 10 + "n" * 15).mean, 2)
    0.4
    """
    if len(a) != len(b):
        raise ValueError(f"{len(a)} labels of a, {len(b)} of b; expected the same items in both")
    n = len(a)
    if n == 0:
        return Estimate(float("nan"), -1.0, 1.0, 0)
    labels = {label: k for k, label in enumerate(dict.fromkeys([*a, *b]))}
    first, second = (np.array([labels[x] for x in side]) for side in (a, b))
    share_a, share_b = (np.bincount(side, minlength=len(labels)) / n for side in (first, second))
    agree = (first == second).astype(np.float64)
    chance = float(share_a @ share_b)
    if chance == 1.0:
        return Estimate(float("nan"), -1.0, 1.0, n)
    observed = float(agree.mean())
    value = (observed - chance) / (1 - chance)
    influence = (agree - observed) / (1 - chance)
    influence -= (1 - observed) / (1 - chance) ** 2 * (share_b[first] + share_a[second] - 2 * chance)
    codes = codes_of(clusters, n)
    sums = influence if codes is None else np.bincount(codes, influence)
    variance, groups = float((sums**2).sum()) / n**2, len(sums)
    certain = observed * (1 - observed) / (1 - chance) ** 2  # n times the variance, were chance known
    items = certain / variance if variance > 0 else float(groups)
    z = float(distributions.norm.ppf(0.5 + level / 2) if codes is None else _t(level, groups))
    low, high = wilson(observed * items, items, z=z)
    return Estimate(value, (low - chance) / (1 - chance), (high - chance) / (1 - chance), n)


def ece(confidence: ArrayLike, correct: ArrayLike, *, bins: int = 10) -> float:
    """Expected calibration error in [0, 1]: |accuracy - confidence| over equal-width bins, weighted by size.

    Noise alone makes it positive, by about sqrt(bins / n); compare only at equal n.

    Raises:
        ValueError: not as many outcomes as confidences, none at all, or a confidence outside [0, 1].

    >>> round(ece([0.95, 0.95, 0.65, 0.65], [1, 0, 1, 1]), 2)
    0.4
    """
    p, y = values_of(confidence), values_of(correct)
    if len(p) != len(y) or len(p) == 0:
        raise ValueError(f"{len(p)} confidences and {len(y)} outcomes; expected as many, at least one")
    if ((p < 0) | (p > 1)).any():
        raise ValueError("confidences outside [0, 1]; expected probabilities")
    bin_N = np.clip(np.ceil(p * bins).astype(int) - 1, 0, bins - 1)
    gap_K = np.bincount(bin_N, y - p, minlength=bins)
    return float(np.abs(gap_K).sum() / len(p))


def _t(level: float, groups: int) -> float:
    return float(distributions.t.ppf(0.5 + level / 2, max(1, groups - 1)))
