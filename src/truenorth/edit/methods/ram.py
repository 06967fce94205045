"""RAM: changes that one model alone made are kept whole, shared ones are averaged."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array
from truenorth.edit.method import reads
from truenorth.edit.methods._shared import mixed


@reads("elements")
def ram(tensors: Sequence[Array], base: Array, *, epsilon: float = 1e-5) -> Array:
    """base + the unique changes + the mean of those that several models made.

    Args:
        epsilon: a change larger than this counts as made.

    Source: arXiv:2601.13572. Equal to mergekit 0.1.5.
    """
    return base + mixed([tensor - base for tensor in tensors], [1.0] * len(tensors), epsilon)
