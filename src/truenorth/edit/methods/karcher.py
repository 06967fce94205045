"""The Karcher mean: the point of a sphere with the least squared distance to all models, at their mean length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from truenorth.edit.arrays import Array
from truenorth.edit.method import Blocks, reads
from truenorth.edit.methods._gram import combined, gram


def angles(blocks: Blocks) -> np.ndarray:
    """(N, N) dot products of the models' tensors: all that the mean on the sphere needs of them."""
    return gram(blocks)


@reads("elements", survey=angles)
def karcher(
    tensors: Sequence[Array], surveyed: np.ndarray, *, max_iter: int = 10, tol: float = 1e-5
) -> Array:
    """The mean of the directions along the sphere, times the mean length.

    Every point on the way is a sum of the models, so the steps are taken on its coefficients and need only the
    dot products of the models (in float64).

    Args:
        max_iter: steps at most; tol: stop when a step is shorter (radians). A model shorter than `tol` counts
            in the mean length only.

    Source: Karcher 1977; as a merge arXiv:2603.04972. Equal to mergekit 0.1.5.
    """
    if len(tensors) == 1:
        return tensors[0]
    lengths = np.sqrt(np.diag(surveyed))
    valid = np.flatnonzero(lengths > tol)
    if not len(valid):
        return tensors[0] * 0
    cosines = surveyed[np.ix_(valid, valid)] / np.outer(lengths[valid], lengths[valid])
    mean = mean_direction(cosines, max_iter=max_iter, tol=tol)
    coefficients = np.zeros(len(tensors))
    coefficients[valid] = mean / lengths[valid] * lengths.mean()
    return combined(tensors, coefficients)


def mean_direction(cosines_NN: np.ndarray, *, max_iter: int, tol: float) -> np.ndarray:
    """(N,) coefficients of unit vectors, given their cosines, whose sum is their mean on the sphere."""
    count = len(cosines_NN)
    share = 1 / count

    def length(coefficients: np.ndarray) -> float:
        return float(np.sqrt(max(coefficients @ cosines_NN @ coefficients, 0.0)))

    mean = np.full(count, share)
    mean = mean / length(mean) if length(mean) >= tol else np.eye(count)[0]
    for _ in range(max_iter):
        dots = np.clip(cosines_NN @ mean, -1, 1)
        angles = np.arccos(dots)
        step = np.zeros(count)
        for i in np.flatnonzero(angles >= tol):
            step += share * angles[i] / np.sin(angles[i]) * (np.eye(count)[i] - dots[i] * mean)
        far = length(step)
        if far < tol:
            break
        mean = np.cos(far) * mean + np.sin(far) * step / far
        mean = mean / length(mean)
    return mean
