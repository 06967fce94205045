"""Random bits that depend on nothing but a seed, a tensor's name, the model's place and the element's place.

So the same seed gives the same merge whatever the block size, the number of threads or the order of tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from truenorth.base import seed_of
from truenorth.edit.arrays import Array, library

CELL = 1 << 16  # elements that share one generator


def noise_of(seed: int, name: str, model: int, start: int, size: int, *, like: Any = None) -> Array:
    """(size,) uint32: 32 random bits an element, of the elements from flat index `start` on.

    Args:
        model: the tensor's place among the tensors.
        like: an array of the library and device wanted (default NumPy). torch has no uint32 arithmetic, so
            there they are int64 in [0, 2**32).
    """
    first, last = start // CELL, -(-(start + size) // CELL)
    key = seed_of("edit", seed, name, model)
    cells = [np.random.SFC64([key, cell]).random_raw(CELL // 2) for cell in range(first, last)]
    bits = (cells[0] if len(cells) == 1 else np.concatenate(cells)).view(np.uint32)
    bits = bits[start - first * CELL :][:size]
    if like is None or isinstance(like, np.ndarray):
        return bits
    return library(like).from_numpy(bits.astype(np.int64)).to(like.device)


class Noise(Sequence[Array]):
    """Random bits for each of several tensors, drawn when they are asked for: some methods know already."""

    def __init__(self, draw: Callable[[int], Array], count: int):
        self._draw, self._count = draw, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self._draw(k) for k in range(self._count)[i]]
        return self._draw(range(self._count)[i])


def chosen(bits: Array, probability: Any) -> Array:
    """Which elements 32 random bits choose, with a probability for all or one for each."""
    if isinstance(probability, float):
        if probability >= 1:
            return bits >= 0
        return bits < round(max(probability, 0.0) * 4294967296)
    uniform = bits.astype(np.float32) if isinstance(bits, np.ndarray) else bits.float()
    return uniform * 2.0**-32 < probability
