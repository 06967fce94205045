"""Fisher merging: each weight is a mean in which a model counts by how sharply its likelihood depends on it."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array, library
from truenorth.edit.method import Each, reads
from truenorth.edit.methods.linear import linear


@reads("elements")
def fisher(
    tensors: Sequence[Array], fisher: Sequence[Array | None], *, weight: Each = 1.0, floor: float = 1e-6
) -> Array:
    """The sum of weight * F * tensor over the sum of weight * F, element by element.

    Args:
        fisher: each model's diagonal Fisher information, in the tensor's shape: means over examples of the
            squared gradient of one example's log-likelihood. A tensor for which a model has none is averaged.
        floor: the least F.

    Source: Matena and Raffel 2022 (arXiv:2111.09832), eq. 4.
    """
    if any(own is None for own in fisher):
        return linear(tensors, weight=weight)
    xp = library(tensors[0])
    sharp = [xp.clip(own, floor, None) * w for own, w in zip(fisher, weight)]
    mixed = sum((f * tensor for f, tensor in zip(sharp[1:], tensors[1:])), start=sharp[0] * tensors[0])
    return mixed / sum(sharp[1:], start=sharp[0])
