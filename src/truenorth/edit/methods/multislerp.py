"""Multi-SLERP: the mean direction of several models, with the mean of their lengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from truenorth.base import UserError
from truenorth.edit.arrays import Array
from truenorth.edit.method import Blocks, Each, reads
from truenorth.edit.methods._gram import combined, gram, gram_of_changes


def angles(blocks: Blocks) -> np.ndarray:
    """The dot products of the tensors, or of their changes where there is a base."""
    based = blocks.map(lambda block: block.base is not None)[0]
    return gram_of_changes(blocks) if based else gram(blocks)


@reads("elements", survey=angles)
def multislerp(
    tensors: Sequence[Array],
    base: Array | None = None,
    surveyed: np.ndarray | None = None,
    *,
    weight: Each,
    normalize_weights: bool = True,
    eps: float = 1e-8,
) -> Array:
    """The weighed mean of the unit vectors, made a unit vector, times the weighed mean of the lengths.

    With a base the vectors are the changes, and the base is added.

    Raises:
        UserError: the weighed units cancel out, and there are more than two.

    Source: mergekit 0.1.5, which goes on from the mean direction along the weighed sum of the tangents there. That
    sum is zero by construction (the mean direction is parallel to the weighed sum of the units), so the step is
    left out here and the results are the same.
    """
    if len(tensors) == 1:
        return tensors[0]
    shares = np.array(weight, np.float64)
    if normalize_weights:
        shares = shares / shares.sum()
    assert surveyed is not None
    vectors = tensors if base is None else [tensor - base for tensor in tensors]
    lengths = np.sqrt(np.diag(surveyed))
    coefficients = shares / (lengths + eps)
    length = float(np.sqrt(max(coefficients @ surveyed @ coefficients, 0.0)))
    if length >= eps:
        made = combined(vectors, coefficients / length * (lengths @ shares))
    elif len(tensors) == 2:
        made = combined(vectors, shares)
    else:
        raise UserError("the weighed directions of the models cancel out", fix="change the weights")
    return made if base is None else made + base
