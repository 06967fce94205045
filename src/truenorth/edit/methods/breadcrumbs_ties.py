"""Model breadcrumbs with the election of TIES."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array
from truenorth.edit.method import Each, reads
from truenorth.edit.methods._changes import total
from truenorth.edit.methods._middle import Middle, kept, middle


@reads("elements", survey=middle)
def breadcrumbs_ties(
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
    """base + lambda * the elected sum of the changes that are neither among the largest nor among the smallest.

    Args:
        density: in (0, 1], the share of changes that stay; from 1 on all do.
        gamma: the share of largest changes dropped first (fewer where `density` needs them).
        rescale: give what stays the sum of magnitudes of all.

    Source: Davari and Belilovsky 2023 (arXiv:2312.06795), with shares of each tensor as in mergekit 0.1.5; the
    authors' code takes them row by row.
    """
    found, scale = surveyed
    changes = kept([tensor - base for tensor in tensors], found, start)
    scaled = [c if s == 1 else c * s for c, s in zip(changes, scale)]
    return total(scaled, base, weight=weight, elect=True, normalize=normalize, lambda_=lambda_)
