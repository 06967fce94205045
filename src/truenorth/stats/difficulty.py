"""How hard each instruction is to win, from many models' preferences over the same instructions.

Sources: Dubois et al. (2024), section 3: one number an instruction, shared by all models, enters the logistic
model of every one; fitted here by turns, models' weights and instructions' numbers, each with a Gaussian prior.
A model's own preferences take no part in the difficulties that it is measured against: else they explain
themselves, and difficulty seems worth a seventh more than it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from truenorth.stats.estimate import Clusters, Estimate, Floats, codes_of, from_spread, spread, values_of
from truenorth.stats.length_control import RIDGE, fit


class Difficulty(NamedTuple):
    """Numbers of standard deviation 1, higher where models win more often.

    `hard_N`: (n,) from all models, for a further one. `without`: model -> (n,) from all others, for the model itself.
    `shared`: the mean effects over models, for `controlled`.
    """

    hard_N: Floats
    without: dict[str, Floats]
    shared: dict[str, float]


def difficulties(
    preference: Mapping[str, ArrayLike],
    style: Mapping[str, ArrayLike],
    *,
    precision: float = 10.0,
    rounds: int = 12,
) -> Difficulty:
    """Difficulties, and what style and difficulty are worth to models on average.

    Args:
        preference: model -> (n,) preferences, the same instructions in the same order, in [0, 1]; two models at least.
        style: model -> (n,) length feature.
        precision: of a model's effects around those shared, 1 / variance.

    Raises:
        ValueError: fewer than two models.
    """
    if len(preference) < 2:
        raise ValueError(f"{len(preference)} model; difficulty is told from two or more")
    y_MN, f_MN = _matrix(preference), np.stack([values_of(style[name]) for name in preference])
    models = np.arange(len(y_MN))
    hard_MN = np.tile(_standard(special.logit(np.clip(y_MN.mean(0), 0.02, 0.98))), (len(models), 1))
    ridge, centre = np.array([precision, precision, RIDGE]), np.array([-1.0, 1.0, 0.0])
    ones_N = np.ones(y_MN.shape[1])
    for _ in range(rounds):
        designs = (np.stack([f_N, hard_N, ones_N], axis=1) for f_N, hard_N in zip(f_MN, hard_MN))
        weight_M3 = np.stack([fit(x_N3, y_N, ridge, centre) for x_N3, y_N in zip(designs, y_MN)])
        centre = np.append(weight_M3[:, :2].mean(0), 0.0)
        for m in models:
            rest = models != m
            hard_MN[m] = _standard(
                _hardness(y_MN[rest], f_MN[rest], weight_M3[rest], hard_MN[m], prior=1.0, steps=3)
            )
    hard_N = _standard(_hardness(y_MN, f_MN, weight_M3, hard_MN.mean(0), prior=1.0, steps=10))
    shared = {"length": float(centre[0]), "difficulty": float(centre[1])}
    return Difficulty(hard_N, dict(zip(preference, hard_MN)), shared)


def length_effect(
    preference: Sequence[ArrayLike],
    style: Sequence[ArrayLike],
    hard: Sequence[ArrayLike],
    group: Sequence[str],
    *,
    clusters: Sequence[Clusters] | None = None,
    level: float = 0.95,
) -> Estimate:
    """What length is worth in log-odds, from models that were told to be brief and to be wordy.

    Such versions of one model know the same, so one strength is fitted for both and length must explain what
    differs. It takes the place of the two gamed baselines in AlpacaEval 2, for data that has none. Pass its mean as
    `towards={"length": ...}` of `controlled`.

    Args:
        preference, style, hard: of each version, (n,): preferences in [0, 1], its length feature, and the
            difficulties of the same instructions.
        group: the model that each is a version of.
        clusters: of each version, one label a preference, the same for the same instruction.

    Raises:
        ValueError: no model has two versions.
    """
    if len(set(group)) == len(group):
        raise ValueError(f"no model in {list(group)} has two versions")
    names = list(dict.fromkeys(group))
    rows, won = [], []
    for y, f, h, name in zip(preference, style, hard, group, strict=True):
        won.append(values_of(y))
        same_NG = np.tile([float(name == one) for one in names], (len(won[-1]), 1))
        rows.append(np.column_stack([values_of(f), values_of(h), same_NG]))
    x_NF, y_N = np.concatenate(rows), np.concatenate(won)
    ridge_F = np.full(x_NF.shape[1], RIDGE)
    weight_F = fit(x_NF, y_N, ridge_F, np.zeros_like(ridge_F))
    p_N = special.expit(x_NF @ weight_F)
    bend_FF = (x_NF * (p_N * (1 - p_N))[:, None]).T @ x_NF + np.diag(ridge_F)
    pull_N = len(y_N) * ((y_N - p_N)[:, None] * x_NF) @ np.linalg.solve(bend_FF, np.eye(len(bend_FF))[0])
    labels = None if clusters is None else [label for one in clusters for label in one]
    found = spread(weight_F[0] + pull_N, codes=codes_of(labels, len(y_N)))
    return from_spread(found._replace(mean=float(weight_F[0])), n=len(y_N), level=level)


def difficulties_given(
    preference: Mapping[str, ArrayLike],
    style: Mapping[str, ArrayLike],
    weights: Mapping[str, tuple[float, float, float]],
    *,
    prior: float = 0.3,
) -> Floats:
    """(n,) difficulties under weights that are known, published ones say: model -> (style, difficulty, model)."""
    y_MN, f_MN = _matrix(preference), np.stack([values_of(style[name]) for name in preference])
    weight_M3 = np.array([weights[name] for name in preference])
    return _hardness(y_MN, f_MN, weight_M3, np.zeros(y_MN.shape[1]), prior=prior, steps=30)


def _hardness(
    y_MN: Floats, f_MN: Floats, weight_M3: Floats, hard_N: Floats, *, prior: float, steps: int
) -> Floats:
    """Newton's method, one number an instruction, no step above 1."""
    fixed_MN, slope_M1 = weight_M3[:, :1] * f_MN + weight_M3[:, 2:], weight_M3[:, 1:2]
    for _ in range(steps):
        p_MN = special.expit(fixed_MN + slope_M1 * hard_N)
        bend_N = (slope_M1**2 * p_MN * (1 - p_MN)).sum(0) + prior
        step_N = ((slope_M1 * (y_MN - p_MN)).sum(0) - prior * hard_N) / bend_N
        hard_N = hard_N + np.clip(step_N, -1, 1)
    return hard_N


def _matrix(preference: Mapping[str, ArrayLike]) -> Floats:
    return np.stack([values_of(preference[name]) for name in preference])


def _standard(x_N: Floats) -> Floats:
    return (x_N - x_N.mean()) / x_N.std()
