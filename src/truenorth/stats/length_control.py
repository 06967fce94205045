"""Win rates with the influence of length (or style) taken out, and a standard error that is the estimate's own.

A logistic model explains each preference by the difference in length (or other style), the difficulty of the
instruction and the model's own strength; the controlled win rate is what it predicts at no difference in style.
AlpacaEval 2 prints the spread of those predictions as the standard error, which leaves out that the model was
fitted: its nominal 95 % intervals are several times too narrow. Here the standard error counts the fit, by the
influence of each item (an M-estimator's sandwich), and clusters if asked.

Sources: Dubois et al. (2024), "Length-controlled AlpacaEval", equations 2 and 3; alpaca_eval's
`glm_winrate.py` for the features: tanh of the length difference over its standard deviation. Unlike there the
fit is by maximum likelihood with a slight ridge instead of a cross-validated L1 penalty, so that it depends on
no fold and has an influence function, and effects are drawn to those that models share (see `difficulties` and
`length_effect`) instead of to what two versions of the baseline that game length would say; on its models the two
differ by 0.4 points in the median.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from truenorth.stats.estimate import Clusters, Estimate, Floats, codes_of, from_spread, spread, values_of

RIDGE = 1e-2


class Controlled(NamedTuple):
    """A controlled win rate in [0, 1] with its interval, beside the raw one, and what each style is worth.

    `effects`: log-odds of winning per unit of each feature. `prediction_se`: the spread of the predictions
    alone, which AlpacaEval prints as the standard error.
    """

    win_rate: Estimate
    raw: Estimate
    se: float
    prediction_se: float
    effects: dict[str, float]

    @property
    def extreme(self) -> bool:
        """AlpacaEval's warning: control moved the rate by more than 10 points or a quarter of the way."""
        raw, moved = 100 * self.raw.mean, 100 * self.win_rate.mean
        low, high = min(raw - raw / 4, raw - 10), max(raw + (100 - raw) / 4, raw + 10)
        return not low <= moved <= high


def length_feature(length: ArrayLike, baseline: ArrayLike) -> Floats:
    """tanh of (baseline - model) length over its standard deviation; all 0 where they never differ."""
    gap_N = values_of(baseline) - values_of(length)
    sd = gap_N.std(ddof=1) if len(gap_N) > 1 else 0.0
    return np.tanh(gap_N / sd) if sd > 0 else np.zeros_like(gap_N)


def controlled(
    preference: ArrayLike,
    style: Mapping[str, ArrayLike],
    *,
    difficulty: ArrayLike | None = None,
    towards: Mapping[str, float] | None = None,
    precision: float = 10.0,
    clusters: Clusters | None = None,
    level: float = 0.95,
    ridge: float = RIDGE,
) -> Controlled:
    """The win rate at zero style difference.

    Args:
        preference: (n,) in [0, 1], the share of the vote that the model won against the baseline; 0.5 a tie.
        style: named features, each (n,) and 0 where model and baseline do not differ (see `length_feature`).
        difficulty: (n,) how hard each instruction is, fixed beforehand (see `difficulties`).
        towards: effects (of a style or of "difficulty") that many models share, to which this one's are drawn
            with `precision`, 1 / variance between models; it keeps a model that games one style in line.
            See `difficulties` and `length_effect`.
        ridge: of the penalty ridge / 2 * |weights|^2, which keeps a model that always wins finite.

    Raises:
        ValueError: fewer than two preferences, or one outside [0, 1].

    >>> found = controlled([1, 0, 1, 0], {"length": [0, 0, 0, 0]})
    >>> round(found.win_rate.mean, 3)
    0.5
    """
    y = values_of(preference)
    if len(y) < 2 or ((y < 0) | (y > 1)).any():
        raise ValueError(f"{len(y)} preferences; expected at least two, each in [0, 1]")
    columns = {name: values_of(value) for name, value in style.items()}
    kept = {} if difficulty is None else {"difficulty": values_of(difficulty)}
    x_NF = np.stack([*columns.values(), *kept.values(), np.ones(len(y))], axis=1)
    names = [*columns, *kept, "model"]
    centre_F = np.array([(towards or {}).get(name, 0.0) for name in names])
    ridge_F = np.array([precision if name in (towards or {}) else ridge for name in names])
    weight_F = fit(x_NF, y, ridge_F, centre_F)
    even_NF = x_NF.copy()
    even_NF[:, : len(columns)] = 0.0
    told_N = special.expit(even_NF @ weight_F)
    codes = codes_of(clusters, len(y))
    found = spread(_influence(x_NF, y, weight_F, even_NF, told_N, ridge_F), codes=codes)
    found = found._replace(mean=float(told_N.mean()))
    bounded = from_spread(found, n=len(y), level=level)
    bounded = bounded._replace(low=max(0.0, bounded.low), high=min(1.0, bounded.high))
    raw = from_spread(spread(y, codes=codes), n=len(y), level=level)
    effects = dict(zip(names, weight_F.tolist()))
    return Controlled(bounded, raw, found.se, float(told_N.std(ddof=1) / np.sqrt(len(y))), effects)


def fit(x_NF: Floats, y_N: Floats, ridge_F: Floats, centre_F: Floats) -> Floats:
    """Weights of a logistic model of shares in [0, 1], drawn to `centre_F`; Newton's method, steps halved."""

    def loss(weight_F: Floats) -> float:
        z_N = x_NF @ weight_F
        misfit = (y_N * np.logaddexp(0, -z_N) + (1 - y_N) * np.logaddexp(0, z_N)).sum()
        return float(misfit + 0.5 * (ridge_F * (weight_F - centre_F) ** 2).sum())

    weight_F, at = centre_F.copy(), loss(centre_F)
    for _ in range(60):
        p_N = special.expit(x_NF @ weight_F)
        slope_F = x_NF.T @ (y_N - p_N) - ridge_F * (weight_F - centre_F)
        bend_FF = (x_NF * (p_N * (1 - p_N))[:, None]).T @ x_NF + np.diag(ridge_F)
        step_F = np.linalg.solve(bend_FF, slope_F)
        while (new := loss(weight_F + step_F)) > at + 1e-9 and np.abs(step_F).max() > 1e-10:
            step_F /= 2
        weight_F, at = weight_F + step_F, new
        if np.abs(step_F).max() < 1e-10:
            break
    return weight_F


def _influence(
    x_NF: Floats, y_N: Floats, weight_F: Floats, even_NF: Floats, told_N: Floats, ridge_F: Floats
) -> Floats:
    """How much each item moves the controlled win rate, times n: by being averaged, and through the fit."""
    n, p_N = len(y_N), special.expit(x_NF @ weight_F)
    bend_FF = (x_NF * (p_N * (1 - p_N))[:, None]).T @ x_NF + np.diag(ridge_F)
    pull_F = ((told_N * (1 - told_N))[:, None] * even_NF).mean(0)
    through_N = n * ((y_N - p_N)[:, None] * x_NF) @ np.linalg.solve(bend_FF, pull_F)
    return told_N - told_N.mean() + through_N
