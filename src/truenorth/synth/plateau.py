"""How much is enough? The curve of a score against the number of rows, and whether it levels off.

Source: Khera, Ghosh and Dutta, "Efficient Alignment of Large Language Models via Data Sampling" (2024, arXiv:
2411.10545), read as an abstract: scores of aligned models rise with the number of rows as an exponential plateau. The
rows that they choose (by a mixture of Gaussians and entropy) are not here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from truenorth.base import UserError
from truenorth.stats import Estimate
from truenorth.stats.estimate import codes_of

Floats = NDArray[Any]
STRAIGHT = 0.02  # rate times the largest size below which the curve is a straight line to within 1 %
STEEP = 6.0  # rate times the smallest step between sizes above which all is gained before the second size
RATES = 300


class Plateau(NamedTuple):
    """value(n) = limit - (limit - start) exp(-rate n): what more rows still add falls by a constant factor a row."""

    limit: float
    start: float
    rate: float

    def at(self, n: float) -> float:
        return self.limit - (self.limit - self.start) * float(np.exp(-self.rate * n))

    def enough(self, share: float = 0.95) -> float:
        """Rows after which this share of all that can be gained is."""
        return float(-np.log(1 - share) / self.rate)


def plateau(sizes: Sequence[float], values: Sequence[float]) -> Plateau:
    """The exponential plateau nearest to values measured at several sizes (least squares).

    For a given rate the best limit and start are a linear fit, so that only the rate is searched for: there is
    nothing to start from and nothing that fails to converge.

    Raises:
        UserError: fewer than four sizes, or the values are nearest to a straight line, to a step, or to nothing.
    """
    n_S, y_S = np.asarray(sizes, float), np.asarray(values, float)
    if len(n_S) != len(y_S):
        raise UserError(f"{len(n_S)} sizes, {len(y_S)} values", where="plateau", expected="as many of both")
    rates_K = rates(n_S)
    best = int(_errors(n_S, y_S[None], rates_K)[0].argmin())
    if best in (0, RATES - 1) or np.ptp(y_S) == 0:
        raise UserError(
            "no exponential plateau fits these values", where="plateau", fix="measure at more sizes"
        )
    found = minimize_scalar(
        lambda rate: float(_errors(n_S, y_S[None], np.array([rate]))[0, 0]),
        bounds=(rates_K[best - 1], rates_K[best + 1]),
        method="bounded",
        options={"xatol": 1e-9 * rates_K[best]},
    )
    limit, start = _linear(n_S, y_S[None], float(found.x))[0]
    return Plateau(float(limit), float(start), float(found.x))


def rates(sizes_S: Floats) -> Floats:
    """(K,): the rates that these sizes can tell from a straight line and from a step.

    Raises:
        UserError: fewer than four different sizes, or one below 0.
    """
    different = np.unique(sizes_S)
    if len(different) < 4 or different[0] < 0:
        what = f"{len(different)} different sizes"
        raise UserError(what, where="plateau", expected="four at least, none below 0")
    return np.geomspace(STRAIGHT / different[-1], STEEP / np.diff(different).min(), RATES)


def _basis(sizes_S: Floats, rate: float) -> Floats:
    """(S, 2): what limit and start weigh at each size."""
    left_S = np.exp(-rate * sizes_S)
    return np.stack([1 - left_S, left_S], axis=1)


def _linear(sizes_S: Floats, values_BS: Floats, rate: float) -> Floats:
    """(B, 2): limit and start of each curve, for this rate."""
    return values_BS @ np.linalg.pinv(_basis(sizes_S, rate)).T


def _errors(sizes_S: Floats, values_BS: Floats, rates_K: Floats) -> Floats:
    """(B, K): squared error of each curve at each rate, with the limit and start that are best there."""
    found = []
    for rate in rates_K:
        basis_S2 = _basis(sizes_S, float(rate))
        left_BS = values_BS - values_BS @ np.linalg.pinv(basis_S2).T @ basis_S2.T
        found.append((left_BS**2).sum(1))
    return np.stack(found, axis=1)


class Saturation(NamedTuple):
    """What several runs at several sizes say of the law.

    curve: nearest to the mean over runs. rows: 1 / rate, after which 63 % of what can be gained is; `high` is infinite
    where a straight line is not excluded. line, logarithm: the mean squared error with which a straight line, and a
    line in log(1 + rows), foretell each run from the others, less the plateau's: above 0 where the plateau is better.
    """

    curve: Plateau
    rows: Estimate
    line: Estimate
    logarithm: Estimate


def saturation(
    sizes: Sequence[float],
    scores_RSQ: ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.99,
    draws: int = 1000,
    seed: int = 0,
) -> Saturation:
    """Does the score against the number of rows level off? Percentile bootstrap over clusters of questions.

    A plateau has one parameter more than a line, and nests it; so each run is foretold from the others, which a
    parameter too many makes worse and not better.

    Args:
        sizes: S numbers of rows, 0 for the model before training.
        scores_RSQ: of R runs at each size, the score of each of the same Q questions.
        clusters: of the questions; one cluster is drawn or left as a whole, in all runs and sizes at once.

    Raises:
        UserError: fewer than two runs or four sizes, or shapes that do not agree.
    """
    n_S, x_RSQ = np.asarray(sizes, float), np.asarray(scores_RSQ, float)
    if x_RSQ.ndim != 3 or x_RSQ.shape[0] < 2 or x_RSQ.shape[1] != len(n_S):
        what = f"{len(n_S)} sizes, scores of shape {x_RSQ.shape}"
        raise UserError(what, where="saturation", expected="(runs, sizes, questions), two runs at least")
    questions = x_RSQ.shape[2]
    codes = codes_of(clusters, questions)
    codes_Q = np.arange(questions) if codes is None else np.asarray(codes)
    groups = int(codes_Q.max()) + 1
    member_QG = np.zeros((questions, groups))
    member_QG[np.arange(questions), codes_Q] = 1.0
    drawn_BG = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), size=draws)
    weight_BG = np.concatenate([np.ones((1, groups)), drawn_BG])  # the first is what was measured
    sums_RSG, size_G = x_RSQ @ member_QG, member_QG.sum(0)
    mean_BRS = np.einsum("bg,rsg->brs", weight_BG, sums_RSG) / (weight_BG @ size_G)[:, None, None]
    rate_B = _rates_of(n_S, mean_BRS.mean(1))
    limit, start = _linear(n_S, mean_BRS[:1].mean(1), float(rate_B[0]))[0]
    best = Plateau(float(limit), float(start), float(rate_B[0]))
    rows_B = np.where(rate_B > rates(n_S)[0], 1 / rate_B, np.inf)
    plateau_B = _foretold(mean_BRS, lambda seen_BS: _of_plateau(n_S, seen_BS))
    straight, logarithm = (np.stack([np.ones_like(n_S), x], axis=1) for x in (n_S, np.log1p(n_S)))
    rivals = [
        _foretold(mean_BRS, lambda seen_BS, x=x: seen_BS @ np.linalg.pinv(x).T @ x.T)  # type: ignore[misc]
        for x in (straight, logarithm)
    ]
    told = [_percentiles(found_B, level, questions) for found_B in (rows_B, *(r - plateau_B for r in rivals))]
    return Saturation(best, *told)


def _rates_of(sizes_S: Floats, values_BS: Floats) -> Floats:
    """(B,): the best rate of each curve, among `rates`."""
    rates_K = rates(sizes_S)
    return rates_K[_errors(sizes_S, values_BS, rates_K).argmin(1)]


def _of_plateau(sizes_S: Floats, values_BS: Floats) -> Floats:
    """(B, S): each curve as the plateau nearest to it says."""
    rate_B = _rates_of(sizes_S, values_BS)
    told_BS = np.empty_like(values_BS)
    for rate in np.unique(rate_B):
        rows = rate_B == rate
        told_BS[rows] = _linear(sizes_S, values_BS[rows], float(rate)) @ _basis(sizes_S, float(rate)).T
    return told_BS


def _foretold(mean_BRS: Floats, curve: Callable[[Floats], Floats]) -> Floats:
    """(B,): mean squared error of each run's scores against the curve of the other runs' mean."""
    runs = mean_BRS.shape[1]
    errors = [
        ((mean_BRS[:, r] - curve(np.delete(mean_BRS, r, axis=1).mean(1))) ** 2).mean(1) for r in range(runs)
    ]
    return np.mean(errors, axis=0)


def _percentiles(found_B: Floats, level: float, n: int) -> Estimate:
    """The first value, with percentiles of the others."""
    ordered = np.sort(found_B[1:])
    low, high = (ordered[round(q * (len(ordered) - 1))] for q in ((1 - level) / 2, (1 + level) / 2))
    return Estimate(float(found_B[0]), float(low), float(high), n)
