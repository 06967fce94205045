"""Gram matrices of a layer's inputs, and whether they are of the inputs that its matrix has."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.base import UserError
from truenorth.edit.arrays import Array


def check_gram(shape: Sequence[int], *grams: Array) -> None:
    """Refuse Gram matrices of other inputs than an (out, in) matrix of this shape has.

    Raises:
        UserError: with the way out for models that keep (in, out).
    """
    odd = next((tuple(g.shape) for g in grams if tuple(g.shape) != (shape[1], shape[1])), None)
    if odd is not None:
        what = f"a Gram matrix of {odd[0]} inputs for a matrix of {shape[1]}"
        raise UserError(what, where="gram", fix="GPT-2 keeps (in, out): set transposed to true")
