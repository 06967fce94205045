"""A bilinear logistic head on fixed features: strength by cross-validation, probabilities calibrated out of fold."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from truenorth.base import seed_of
from truenorth.stats import auroc

Floats = NDArray[np.float64]
STRENGTHS = tuple(10.0**k for k in range(-3, 3))  # of the L2 penalty, on rows of length about 1
LINEAR = (0.1, 1.0, 10.0)  # the same, of a linear head


class Features(NamedTuple):
    """What a model makes of N prompts and of the answers to them, a row each."""

    prompt_NP: Floats
    answer_NA: Floats

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Features:
        return Features(self.prompt_NP[chosen], self.answer_NA[chosen])


class Scaling(NamedTuple):
    """Mean and spread of one side of the features; scaled rows have length 1."""

    mean_D: Floats
    std_D: Floats

    def __call__(self, x_ND: Floats) -> Floats:
        z_ND = (x_ND - self.mean_D) / self.std_D
        return z_ND / np.maximum(np.linalg.norm(z_ND, axis=1, keepdims=True), 1e-8)


def scaling(x_ND: Floats) -> Scaling:
    std_D = x_ND.std(0)
    return Scaling(x_ND.mean(0), np.where(std_D > 1e-8, std_D, 1.0))


class Head(NamedTuple):
    """p = sigmoid(scale * (answer+ . W . prompt+ + bias) + shift), where x+ is a scaled row and a 1.

    Whether an answer is good depends on the prompt: the same refusal is right here and wrong there. So the
    head is bilinear; a few dozen labels suffice, because it is fitted in the space that the labels span.
    """

    weight_AP: Floats  # (answer width + 1, prompt width + 1)
    bias: float
    prompt: Scaling
    answer: Scaling
    scale: float  # of calibration
    shift: float

    def probability(self, features: Features) -> Floats:
        a, p = with_one(self.answer(features.answer_NA)), with_one(self.prompt(features.prompt_NP))
        logits_N = np.einsum("na,ap,np->n", a, self.weight_AP, p, optimize=True) + self.bias
        return expit(self.scale * logits_N + self.shift)


def with_one(x_ND: Floats) -> Floats:
    return np.concatenate([x_ND, np.ones((len(x_ND), 1))], axis=1)


class Fit(NamedTuple):
    """A head and what it says of each label when it was fitted without it."""

    head: Head
    strength: float
    out_of_fold_N: Floats  # calibrated probabilities; the calibration saw no label of the same fold


def fit_head(
    features: Features, labels_N: Floats, groups: Sequence[Hashable], *, folds: int = 5, seed: int = 0
) -> Fit:
    """Fit on all labels; judge each by heads whose strength and calibration were chosen without its fold.

    Args:
        labels_N: in [0, 1]; fractions are soft labels.
        groups: labels of one group stay in one fold.
    """
    prompt, answer = scaling(features.prompt_NP), scaling(features.answer_NA)
    p, a = with_one(prompt(features.prompt_NP)), with_one(answer(features.answer_NA))
    x_NR, back_NR = spanned((p @ p.T) * (a @ a.T))
    fold_N = deal(labels_N, groups, folds=folds, seed=seed)
    out_N = np.zeros(len(labels_N))
    for fold in np.unique(fold_N):
        rest = fold_N != fold
        weight_R, bias, scale, shift, _ = fit_calibrated(x_NR[rest], labels_N[rest], fold_N[rest])
        out_N[~rest] = expit(scale * (x_NR[~rest] @ weight_R + bias) + shift)
    weight_R, bias, scale, shift, strength = fit_calibrated(x_NR, labels_N, fold_N)
    weight_AP = np.einsum("na,n,np->ap", a, back_NR @ weight_R, p, optimize=True)
    return Fit(Head(weight_AP, bias, prompt, answer, scale, shift), strength, out_N)


def spanned(kernel_NN: Floats) -> tuple[Floats, Floats]:
    """Points with these inner products, and what turns a weight on them into one on the labels."""
    values_N, vectors_NN = np.linalg.eigh(kernel_NN)
    kept = values_N > 1e-9 * values_N.max()
    roots_R = np.sqrt(values_N[kept])
    return vectors_NN[:, kept] * roots_R, vectors_NN[:, kept] / roots_R


def deal(labels_N: Floats, groups: Sequence[Hashable], *, folds: int, seed: int) -> NDArray[np.int64]:
    """A fold for each label: groups whole, labels balanced, the same for the same groups in any order."""
    members: dict[Hashable, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    ranked = sorted(members, key=lambda g: (labels_N[members[g]].mean(), seed_of(seed, g)))
    fold_N = np.zeros(len(labels_N), dtype=np.int64)
    for position, group in enumerate(ranked):
        fold_N[members[group]] = position % folds
    return fold_N


def fit_calibrated(
    x_NR: Floats, y_N: Floats, fold_N: NDArray[np.int64]
) -> tuple[Floats, float, float, float, float]:
    """Weight, bias, calibration scale and shift, and the strength with the least out-of-fold loss."""
    logits_SN = held_out_logits(x_NR, y_N, fold_N, STRENGTHS)
    losses = [cross_entropy(z, y_N) for z in logits_SN]
    best = int(np.argmin(losses))
    weight_R, bias = logistic(x_NR, y_N, STRENGTHS[best])
    scale, shift = platt(logits_SN[best], y_N)
    return weight_R, bias, scale, shift, STRENGTHS[best]


def held_out_logits(x_NR: Any, y_N: Floats, fold_N: NDArray[np.int64], strengths: Sequence[float]) -> Floats:
    """(strengths, N) what a fit at each strength says of each label that it was made without."""
    logits_SN = np.zeros((len(strengths), len(y_N)))
    for fold in np.unique(fold_N):
        rest = fold_N != fold
        if not rest.any():
            continue
        for s, strength in enumerate(strengths):
            weight_R, bias = logistic(x_NR[rest], y_N[rest], strength)
            logits_SN[s, ~rest] = x_NR[~rest] @ weight_R + bias
    return logits_SN


class Linear(NamedTuple):
    """A linear logistic head, and what it says of each label when it was fitted without it."""

    weight_F: Floats
    bias: float
    strength: float
    out_of_fold_N: Floats


def fit_logistic(
    x_NF: Any, labels_N: Floats, groups: Sequence[Hashable], *, folds: int = 4, seed: int = 0
) -> Linear:
    """A linear head on any features, dense or sparse; its strength is the one with the least loss out of fold.

    Args:
        labels_N: in [0, 1]; fractions are soft labels.
        groups: labels of one group stay in one fold.
    """
    fold_N = deal(labels_N, groups, folds=folds, seed=seed)
    logits_SN = held_out_logits(x_NF, labels_N, fold_N, LINEAR)
    best = int(np.argmin([cross_entropy(z, labels_N) for z in logits_SN]))
    weight_F, bias = logistic(x_NF, labels_N, LINEAR[best])
    return Linear(weight_F, bias, LINEAR[best], expit(logits_SN[best]))


def logistic(x_NR: Any, y_N: Floats, strength: float, *, rounds: int = 500) -> tuple[Floats, float]:
    """argmin of the summed cross-entropy + strength / 2 |w|^2; the bias is free. `x_NR` may be a sparse matrix."""

    def loss(w: Floats) -> tuple[float, Floats]:
        z_N = x_NR @ w[:-1] + w[-1]
        error_N = expit(z_N) - y_N
        value = float(np.logaddexp(0, z_N).sum() - y_N @ z_N + strength / 2 * w[:-1] @ w[:-1])
        return value, np.append(x_NR.T @ error_N + strength * w[:-1], error_N.sum())

    found = minimize(
        loss, np.zeros(x_NR.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": rounds}
    )
    return found.x[:-1], float(found.x[-1])


def platt(logits_N: Floats, y_N: Floats) -> tuple[float, float]:
    """Scale >= 0 and shift of a calibrated logit, with Platt's targets, which keep it finite.

    Source: Platt, "Probabilistic outputs for support vector machines" (1999), eq. 4.
    """
    up, down = y_N.sum(), (1 - y_N).sum()
    target_N = y_N * (up + 1) / (up + 2) + (1 - y_N) / (down + 2)

    def loss(ab: Floats) -> tuple[float, Floats]:
        z_N = ab[0] * logits_N + ab[1]
        error_N = expit(z_N) - target_N
        value = float(np.logaddexp(0, z_N).sum() - target_N @ z_N)
        return value, np.array([error_N @ logits_N, error_N.sum()])

    start = np.array([1.0, 0.0])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, 20.0), (None, None)])
    return float(found.x[0]), float(found.x[1])


def cross_entropy(logits_N: Floats, y_N: Floats) -> float:
    return float((np.logaddexp(0, logits_N) - y_N * logits_N).mean())


def auc(scores: Sequence[float] | Floats, positive: Sequence[bool] | NDArray[np.bool_]) -> float:
    """Probability that a positive scores above a negative, ties half; nan without both."""
    s, y = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    return float("nan") if y.all() or not y.any() else auroc(s, y.astype(float)).mean
