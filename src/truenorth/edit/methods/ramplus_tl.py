"""RAM+ (tensor-local): as RAM, with unique changes made larger the more of a model's changes are shared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from truenorth.edit.arrays import Array
from truenorth.edit.method import Blocks, reads
from truenorth.edit.methods._shared import mixed, overlap


def counts(blocks: Blocks, *, epsilon: float = 1e-5) -> np.ndarray:
    """(2, N): how many of each model's changes others share, and how many are its own."""
    return overlap(blocks, epsilon)


@reads("elements", survey=counts)
def ramplus_tl(
    tensors: Sequence[Array],
    base: Array,
    surveyed: np.ndarray,
    *,
    r: float = 0.1,
    alpha: float = 0.2,
    epsilon: float = 1e-5,
) -> Array:
    """base + unique changes times 1 + r * min(shared / unique, alpha) + the mean of shared changes.

    Source: arXiv:2601.13572. Equal to mergekit 0.1.5.
    """
    shared, unique = surveyed
    ratio = np.clip(shared / np.maximum(unique, epsilon), 0, alpha)
    return base + mixed([tensor - base for tensor in tensors], [float(f) for f in 1 + r * ratio], epsilon)
