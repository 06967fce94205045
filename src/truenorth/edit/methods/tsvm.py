"""TSV-M: each task's top singular directions, decorrelated between tasks, then added up."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.base import UserError
from truenorth.edit.arrays import Array, library
from truenorth.edit.methods._singular import merged


def tsvm(tensors: Sequence[Array], base: Array, *, lambda_: float = 1.0, exclude: int = 20000) -> Array:
    """base + lambda * U S V of the tasks' top singular directions, U and V made orthogonal together.

    Each of T tasks keeps floor(rank / T) directions of its change. Tensors that are not matrices get the mean
    change.

    Args:
        exclude: a matrix with a side longer than this (an embedding) gets the mean change too; its singular
            vectors would take minutes and say little. 0: none.

    Raises:
        UserError: more tasks than directions.

    Source: Gargiulo et al. 2025 (arXiv:2412.00081), algorithm 1 and its code.
    """
    changes = [tensor - base for tensor in tensors]
    if len(base.shape) != 2 or (exclude and max(base.shape) > exclude):
        return base + sum(changes[1:], start=changes[0]) * (lambda_ / len(changes))
    share = min(base.shape) // len(changes)
    if not share:
        what = f"{len(changes)} models for a matrix of rank {min(base.shape)}"
        raise UserError(what, expected="no more models than its smaller side", fix="use task_arithmetic")
    return base + merged(changes, [share] * len(changes), [1.0] * len(changes), library(base)) * lambda_
