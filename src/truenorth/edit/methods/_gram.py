"""Angles and lengths over a whole tensor, from its blocks: all that the spherical methods need of it."""

from __future__ import annotations

import numpy as np

from truenorth.edit.arrays import Array, double, library, to_numpy
from truenorth.edit.method import Blocks


def gram(blocks: Blocks, *, of_base: bool = False) -> np.ndarray:
    """(N, N) float64 dot products of the tensors (of the base first, then theirs, with `of_base`)."""
    return np.sum(
        blocks.map(lambda block: dots([block.base, *block.tensors] if of_base else block.tensors)), 0
    )


def gram_of_changes(blocks: Blocks) -> np.ndarray:
    """(N, N) float64 dot products of what each model changed of the base."""
    return np.sum(blocks.map(lambda block: dots(block.deltas)), 0)


def dots(arrays) -> np.ndarray:
    """(N, N) float64 dot products of N arrays."""
    xp = library(arrays[0])
    flat = xp.stack([double(array).reshape(-1) for array in arrays])
    return to_numpy(flat @ flat.T)


def combined(arrays, coefficients) -> Array:
    """The sum of coefficient times array."""
    made = arrays[0] * float(coefficients[0])
    for array, coefficient in zip(arrays[1:], coefficients[1:]):
        made += array * float(coefficient)
    return made
