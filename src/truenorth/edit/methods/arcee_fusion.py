"""Arcee fusion: take over only the changes that matter, by size and by how much their row's softmax moves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from truenorth.edit.arrays import Array, library, to_numpy
from truenorth.edit.method import Blocks, reads


def _importance(model: Array, base: Array) -> Array:
    p, q = _softmax(model) + 1e-8, _softmax(base) + 1e-8
    divergence = (p * library(p).log(p / q)).sum(-1)[..., None]
    return abs(model - base) * divergence


def _softmax(x: Array) -> Array:
    xp = library(x)
    if xp is not np:
        return xp.softmax(x, -1)
    made = np.exp(x - x.max(-1, keepdims=True))
    return made / made.sum(-1, keepdims=True)


def threshold(blocks: Blocks) -> float:
    """Median + 1.5 times the interquartile range of the importance, over the tensor."""
    parts = blocks.map(lambda block: to_numpy(_importance(block.tensors[0], block.base)).reshape(-1))
    values = np.concatenate(parts)
    # the ranks in float32, as mergekit computes them
    ranks = [int(np.float32(q) * np.float32(len(values) - 1)) for q in (0.25, 0.5, 0.75)]
    low, median, high = np.partition(values, ranks)[ranks]
    return float(median + np.float32(1.5) * (high - low))


@reads("rows", survey=threshold, inputs=1)
def arcee_fusion(tensors: Sequence[Array], base: Array, surveyed: float) -> Array:
    """base, and the other model where the importance of the change reaches the threshold.

    Source: arcee.ai, as in mergekit 0.1.5, which it equals up to a million elements; in larger tensors mergekit
    estimates the quartiles from a random million, here they are exact.
    """
    change = tensors[0] - base
    return base + change * (_importance(tensors[0], base) >= surveyed)
