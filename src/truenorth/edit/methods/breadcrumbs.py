"""Model breadcrumbs: leave out the largest changes and the smallest, add up the rest."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array
from truenorth.edit.method import Each, reads
from truenorth.edit.methods._middle import Middle, merged, middle


@reads("elements", survey=middle)
def breadcrumbs(
    tensors: Sequence[Array],
    base: Array,
    surveyed: Middle,
    start: int = 0,
    *,
    weight: Each,
    density: Each = 1.0,
    gamma: Each = 0.01,
    normalize: bool = False,
    rescale: bool = False,
    lambda_: float = 1.0,
) -> Array:
    """base + lambda * the sum of the changes that are neither among the largest nor among the smallest.

    Args:
        density: in (0, 1], the share of changes that stay; from 1 on all do.
        gamma: the share of largest changes dropped first (fewer where `density` needs them).
        rescale: give what stays the sum of magnitudes of all.

    Source: Davari and Belilovsky 2023 (arXiv:2312.06795), with shares of each tensor as in mergekit 0.1.5; the
    authors' code takes them row by row.
    """
    how = {"weight": weight, "normalize": normalize, "lambda_": lambda_}
    return merged(tensors, base, surveyed, start, elect=False, **how)
