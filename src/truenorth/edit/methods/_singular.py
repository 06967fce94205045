"""Singular directions of several changes, made orthogonal to one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from truenorth.edit.arrays import Array


def merged(changes: Sequence[Array], ranks: Sequence[int], factors: Sequence[float], xp: Any) -> Array:
    """U S V with the top `ranks[t]` directions of each change, U and V replaced by their nearest orthonormal.

    Args:
        factors: what each change's singular values are times.
    """
    parts = [xp.linalg.svd(change, full_matrices=False) for change in changes]
    left = xp.concatenate([u[:, :k] for (u, _, _), k in zip(parts, ranks)], 1)
    values = xp.concatenate([s[:k] * f for (_, s, _), k, f in zip(parts, ranks, factors)])
    right = xp.concatenate([v[:k] for (_, _, v), k in zip(parts, ranks)], 0)
    return (orthonormal(left, xp) * values) @ orthonormal(right, xp)


def orthonormal(matrix: Array, xp: Any) -> Array:
    """The nearest matrix with orthonormal columns (or rows): its polar factor."""
    u, _, v = xp.linalg.svd(matrix, full_matrices=False)
    return u @ v
