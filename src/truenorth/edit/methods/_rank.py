"""DELLA's chances: the larger a change is among its row, the likelier it stays."""

from __future__ import annotations

import numpy as np

from truenorth.base import UserError
from truenorth.edit.arrays import Array, argsort
from truenorth.edit.methods._random import Chances


def chances(density: list[float], epsilon: list[float]) -> Chances:
    """From density - epsilon for the smallest of a row to density + epsilon for the largest, evenly by rank.

    A row of one element has no ranks, and stays with chance `density`.

    Raises:
        UserError: the chances would leave (0, 1).
    """
    for d, e in zip(density, epsilon):
        if 0 < d < 1 and not (d - e > 0 and d + e < 1):
            what = f"density {d} and epsilon {e}"
            raise UserError(what, expected="density - epsilon and density + epsilon within (0, 1)")

    def of(change: Array, i: int) -> Array | float:
        if density[i] >= 1 or density[i] <= 0:
            return float(min(max(density[i], 0), 1))
        count = change.shape[-1]
        if count == 1:
            return float(density[i])
        order = argsort(abs(change))
        if isinstance(order, np.ndarray):
            rank = np.empty(order.shape, np.float32)
            np.put_along_axis(rank, order, np.arange(count, dtype=np.float32), -1)
        else:
            rank = order.argsort(-1).to(change.dtype)
        return (density[i] - epsilon[i]) + rank * (2 * epsilon[i] / (count - 1))

    return of
