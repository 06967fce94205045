"""Rewarded soups: one policy a reward, mixed by how much each reward is wanted."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.base import UserError
from truenorth.edit.arrays import Array
from truenorth.edit.method import Each, reads
from truenorth.edit.methods.linear import linear


@reads("elements")
def rewarded_soups(tensors: Sequence[Array], *, weight: Each) -> Array:
    """The sum of weight * policy; the weights are a point of the simplex.

    Raises:
        UserError: a weight below 0, or weights that do not sum to 1.

    Source: Ramé et al. 2023 (arXiv:2306.04488), eq. 1. Weights of whole models: for LoRA policies this averages
    the products B A, where the authors average A and B apart.
    """
    if min(weight) < 0 or abs(sum(weight) - 1) > 1e-6:
        raise UserError(f"weights {list(weight)}", expected="shares from 0 on that sum to 1")
    return linear(tensors, weight=weight, normalize=False)
