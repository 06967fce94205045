"""A judge's mean, debiased with the human labels at hand (prediction-powered inference).

Sources: Angelopoulos et al., "Prediction-powered inference" (2023) and "PPI++" (2023), the mean with power
tuning.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as distributions

from truenorth.stats.estimate import Estimate, Floats, is_binary, values_of


def ppi_mean(
    human: ArrayLike,
    judged: ArrayLike,
    judged_all: ArrayLike,
    *,
    trust: float | None = None,
    level: float = 0.95,
) -> Estimate:
    """The mean that people would have given, from few human labels and many judgements.

    Unbiased however wrong the judge is; narrower than the labels alone where the judge agrees with them. The
    labels must be a random draw from the same items. With 0/1 labels two pseudo-labels (one disagreement each
    way) enter the width, so that a judge that agrees on all of twenty labels is not taken for perfect.

    Args:
        human: (n,) what people said.
        judged: (n,) what the judge said of the same items.
        judged_all: (N,) what the judge said of the items that people did not label.
        trust: weight of the judge in [0, 1]; None tunes it to the narrowest interval; 0 ignores the judge.

    Returns:
        `n` is n + N.

    Raises:
        ValueError: fewer than two labels, not as many judgements of the same items, or none of others.
    """
    y, f, unlabelled = values_of(human), values_of(judged), values_of(judged_all)
    n, many = len(y), len(unlabelled)
    if n != len(f) or n < 2 or many == 0:
        raise ValueError(
            f"{n} labels, {len(f)} judgements of them, {many} others; expected as many labels as judgements "
            "of them, at least two, and at least one other"
        )
    weight = _tuned(y, f, unlabelled) if trust is None else trust
    centre = weight * unlabelled.mean() + (y - weight * f).mean()
    residual = y - weight * f
    if is_binary(y):
        residual = np.concatenate([residual, residual.mean() + np.array([-1.0, 1.0])])
    se = np.sqrt(weight**2 * unlabelled.var() / many + residual.var(ddof=1) / len(residual))
    half = float(distributions.t.ppf(0.5 + level / 2, n - 1)) * se
    low, high = centre - half, centre + half
    if is_binary(y):
        low, high = max(0.0, low), min(1.0, high)
    return Estimate(float(centre), float(low), float(high), n + many)


def _tuned(y: Floats, f: Floats, unlabelled: Floats) -> float:
    """The weight of least variance, clipped to [0, 1]; 0 for a judge that always says the same."""
    pooled = np.concatenate([f, unlabelled]).var(ddof=1)
    if pooled == 0:
        return 0.0
    covariance = float(np.mean((y - y.mean()) * (f - f.mean())))
    return float(np.clip(covariance / ((1 + len(y) / len(unlabelled)) * pooled), 0.0, 1.0))
