"""What thumbs-up data needs before it is learned from: mismatched answers, and weights for where prompts differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from truenorth.base import UserError
from truenorth.learn.types import Example


def with_mismatched(examples: Sequence[Example]) -> list[Example]:
    """Each example with the first completion of the one before it added, as `kto` needs.

    The added completion shares the prompt's pass, so it costs its own tokens only. It is fixed by the order
    given; shuffle the examples first if neighbours are alike.

    Raises:
        UserError: fewer than two examples, or an example that has several completions.

    >>> one, two = with_mismatched([Example((1,), ((2,),)), Example((3,), ((4,),))])
    >>> one.completions, two.completions
    (((2,), (4,)), ((4,), (2,)))
    """
    if len(examples) < 2:
        raise UserError(
            f"{len(examples)} examples have no others to be mismatched with", expected="two or more"
        )
    several = [i for i, e in enumerate(examples) if len(e.completions) != 1]
    if several:
        raise UserError(
            f"rows {several[:8]} of {len(examples)} have several completions", expected="one, with its label"
        )
    before = [examples[i - 1] for i in range(len(examples))]
    return [e._replace(completions=(e.completions[0], b.completions[0])) for e, b in zip(examples, before)]


def density_ratios(
    features: ArrayLike, labels: Sequence[bool], *, low: float = 0.5, high: float = 10.0
) -> list[float]:
    """For each example p / (1 - p), p its prompt's chance to come from the good answers' prompts, in [low, high].

    The column `density_ratio` of `bco`: it is used for bad answers only. p is a logistic regression whose
    two classes weigh the same, with an L2 penalty of 1/2 |w|^2 as in scikit-learn's default.

    Args:
        features: (N, D) embeddings of the prompts, of the order of 1 each.
        labels: True for good answers.

    Raises:
        UserError: all labels are equal, or the numbers of rows differ.

    Source: Jung et al. 2024 (arXiv:2404.04656), section 4.3; constants as in TRL 0.29.
    """
    from scipy.optimize import minimize

    x_ND = np.asarray(features, dtype=np.float64)
    y_N = np.asarray(labels, dtype=bool)
    if len(x_ND) != len(y_N) or y_N.all() or not y_N.any():
        raise UserError(
            f"{len(x_ND)} prompts with {int(y_N.sum())} good of {len(y_N)} labels",
            where="density_ratios",
            expected="one label for each prompt, and both kinds",
        )
    weight_N = np.where(y_N, len(y_N) / (2 * y_N.sum()), len(y_N) / (2 * (~y_N).sum()))
    sign_N = np.where(y_N, 1.0, -1.0)
    x_ND = np.column_stack([x_ND, np.ones(len(x_ND))])  # the last weight is the intercept, not penalised

    def loss(w_D: np.ndarray) -> tuple[float, np.ndarray]:
        z_N = sign_N * (x_ND @ w_D)
        slope_N = -weight_N * sign_N / (1 + np.exp(np.minimum(z_N, 500)))
        penalty_D = np.append(w_D[:-1], 0.0)
        value = (weight_N * np.logaddexp(0, -z_N)).sum() + 0.5 * penalty_D @ penalty_D
        return value, x_ND.T @ slope_N + penalty_D

    found = minimize(loss, np.zeros(x_ND.shape[1]), jac=True, method="L-BFGS-B", options={"gtol": 1e-8})
    odds_N = np.exp(np.clip(x_ND @ found.x, -50, 50))  # p / (1 - p)
    return np.clip(odds_N, low, high).tolist()
