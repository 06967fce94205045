"""Add up what each model changed of a base; a negative weight takes a behaviour away."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array
from truenorth.edit.method import Each, reads
from truenorth.edit.methods._changes import total


@reads("elements")
def task_arithmetic(
    tensors: Sequence[Array],
    base: Array,
    *,
    weight: Each,
    normalize: bool = False,
    lambda_: float = 1.0,
) -> Array:
    """base + lambda * the sum of weight * (tensor - base).

    Args:
        weight: 0.3 to 1 to add, below 0 to take away.
        normalize: divide by the sum of the weights.

    Source: Ilharco et al. 2023 (arXiv:2212.04089). Equal to mergekit 0.1.5.
    """
    changes = [tensor - base for tensor in tensors]
    return total(changes, base, weight=weight, elect=False, normalize=normalize, lambda_=lambda_)
