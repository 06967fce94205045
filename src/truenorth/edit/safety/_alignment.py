"""The subspace in which alignment changed a matrix, and the projection onto it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from truenorth.base import UserError
from truenorth.edit.arrays import Array, to_numpy

Projector = Literal["exact", "published"]


def projector(aligned: Array, base: Array, *, kind: str = "exact", energy: float = 0.99) -> np.ndarray | None:
    """(D, D) projection of the outputs onto what V = aligned - base spans; None where V is 0.

    Args:
        kind: "exact" is U U^T with the left singular vectors that hold `energy` of V's squared length. "published"
            is V V^T / ||V||, which the release computes: its result depends on V's scale and it is no projector
            (for a V of rank one it is the projector times ||V||).
        energy: in (0, 1]; 1 keeps every direction, so that a V of full rank leaves any update as it is.

    Source: Hsu et al. 2024 (arXiv:2405.16833), eq. 1-2.
    """
    change = to_numpy(aligned).astype(np.float64) - to_numpy(base).astype(np.float64)
    length = np.linalg.norm(change)
    if length == 0:
        return None
    if kind == "published":
        return change @ change.T / length
    if kind != "exact":
        raise UserError(f"projector {kind!r}", where="--set", expected="exact or published")
    if not 0 < energy <= 1:
        raise UserError(f"energy {energy}", where="--set", expected="a share in (0, 1]")
    left, values, _ = np.linalg.svd(change, full_matrices=False)
    values = values[values > values[0] * 1e-6]  # below: rounding of float32 weights
    held = np.cumsum(values**2) / np.sum(values**2)
    rank = min(len(values), int(np.searchsorted(held, energy - 1e-12)) + 1)
    return left[:, :rank] @ left[:, :rank].T


def cosine(update: Array, projected: Array) -> float:
    """The cosine between an update and its projection; 1 where either is 0, as nothing would change."""
    one, two = (np.asarray(to_numpy(x), np.float64).reshape(-1) for x in (update, projected))
    lengths = np.linalg.norm(one) * np.linalg.norm(two)
    return float(one @ two / lengths) if lengths else 1.0
