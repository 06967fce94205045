"""Low-bit weights with protected outliers: 2 bits a weight, 3 for the outliers of a small cluster."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from truenorth.base import UserError
from truenorth.edit.arrays import Array, library, to_numpy
from truenorth.edit.method import reads
from truenorth.edit.plan import Step
from truenorth.edit.safety._edit import edits, matrices

CLUSTER = 3  # weights; 3 x 2 bits, or 3 + 3 bits and a weight that is 0
SCALE_BITS = 16  # a row's scale, in float16
STEPS = tuple(np.linspace(0.2, 1.0, 17) / 1.5)  # tried for each row, as shares of its largest weight


def bits_of(steps: Sequence[Step], *, shared: int = 2) -> Sequence[tuple[str, str]]:
    """Bits per weight over the tensors it reaches, scales and indices counted."""
    bits = sum(row_bits(step.shape[1], shared) * step.shape[0] for step in steps)
    return [("bits", f"{bits / sum(step.size for step in steps):.3f} per weight of the tensors it reaches")]


def row_bits(columns: int, shared: int) -> int:
    """Bits of one row: 6 a cluster, 2 for each `shared` clusters' index, and the scale.

    >>> row_bits(12, 2)  # four clusters, two indices, one scale
    44
    """
    clusters = ceil(columns / CLUSTER)
    return 6 * clusters + 2 * ceil(clusters / shared) + SCALE_BITS


@edits("model", reach=matrices, told=bits_of)
@reads("rows", inputs=1)
def low_bit(tensors: Sequence[Array], *, outlier: float = 4.0, shared: int = 2) -> Array:
    """The weights as they are after a trip through the low-bit form; each row has one step, the best of 17.

    In a cluster of three, 2 bits hold -3/2, -1/2, 1/2 or 3/2 steps. Where a weight exceeds `outlier` times the
    smallest of its cluster, the smallest becomes 0 and the two others get 3 bits: up to 7/2 steps.

    Args:
        outlier: 0 protects every cluster, a very large number none.
        shared: neighbouring clusters that share the 2 bits that say which weight is 0, if any. 2 gives 7/3 bits a
            weight, the paper's average; 1 gives 8/3. With more sharing more clusters are protected.

    Raises:
        UserError: `shared` is no whole number of 1 or more.

    Source: after FineQ, Xie et al. 2025 (arXiv:2504.19746): clusters of three, 3 bits for outliers, 2.33 bits on
    average are theirs. Levels, steps and the sharing of indices are ours, so this is not that method to the bit;
    and it is arithmetic only: the result is stored in the model's type.
    """
    if shared < 1 or shared != int(shared):
        raise UserError(f"shared {shared}", where="--set", expected="a whole number, 1 or more")
    weights = to_numpy(tensors[0]).astype(np.float32)
    rows, columns = weights.shape
    padded = np.zeros((rows, ceil(columns / (CLUSTER * int(shared))) * CLUSTER * int(shared)), np.float32)
    padded[:, :columns] = weights
    groups = padded.reshape(rows, -1, int(shared), CLUSTER)
    dropped, protected = _patterns(groups, outlier)
    largest = abs(weights).max(1, initial=0)
    best, error = np.zeros_like(groups), np.full(rows, np.inf)
    for share in STEPS:
        step = (largest * np.float32(share))[:, None, None, None]
        made = np.where(
            protected, np.where(dropped, 0, _levels(groups, step, 3.5)), _levels(groups, step, 1.5)
        )
        wrong = ((made - groups).reshape(rows, -1)[:, :columns] ** 2).sum(1)
        better = wrong < error
        best[better], error[better] = made[better], wrong[better]
    made = best.reshape(rows, -1)[:, :columns]
    return library(tensors[0]).asarray(made)


def _patterns(groups_RGSC: np.ndarray, outlier: float) -> tuple[np.ndarray, np.ndarray]:
    """Which weight of its clusters each group would set to 0, and whether it does."""
    size = abs(groups_RGSC)
    least, most = size.min(-1), size.max(-1)
    protected = (most > outlier * least).any(-1)[..., None, None]
    place = (groups_RGSC**2).sum(2).argmin(-1)
    dropped = np.arange(CLUSTER) == place[..., None]
    return dropped[:, :, None, :], protected


def _levels(values: np.ndarray, step: np.ndarray, reach: float) -> np.ndarray:
    """The nearest odd multiple of half a step, at most `reach` steps from 0; 0 where the step is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.floor(values / step) + np.float32(0.5)
    return np.where(step > 0, np.clip(place, -reach, reach) * step, 0).astype(np.float32)
