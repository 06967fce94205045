"""Breadcrumbs' survey: the changes of middling size, neither outliers nor noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from truenorth.edit.arrays import Array
from truenorth.edit.method import Block, Blocks, Each
from truenorth.edit.methods._changes import scales, sums_kept, total
from truenorth.edit.methods._cut import Cut, cuts


class Middle(NamedTuple):
    """For each tensor a cut that holds what stays and the outliers, and one that holds the outliers."""

    bands: list[tuple[Cut, Cut]]
    scale: list[float]


def middle(blocks: Blocks, *, density: Each, gamma: Each, rescale: bool = False) -> Middle:
    """Which changes of each model stay, over the whole tensor, and what they are multiplied by."""
    stay = [blocks.size if d >= 1 else int(d * blocks.size) for d in density]
    outliers = [
        0 if d >= 1 else min(int(g * blocks.size), blocks.size - s) for d, g, s in zip(density, gamma, stay)
    ]

    def magnitudes(block: Block) -> list[Array]:
        return [abs(change) for change in block.deltas]

    outer = cuts(blocks, magnitudes, [s + o for s, o in zip(stay, outliers)], favour="last")
    inner = cuts(blocks, magnitudes, outliers, favour="last")
    bands = list(zip(outer, inner))
    if not rescale:
        return Middle(bands, [1.0] * len(bands))
    sums = blocks.map(lambda block: sums_kept(block.deltas, kept(block.deltas, bands, block.start)))
    return Middle(bands, scales(sums))


def kept(changes: Sequence[Array], bands: Sequence[tuple[Cut, Cut]], start: int) -> list[Array]:
    """Each change where it stays, 0 elsewhere."""
    made = []
    for change, (outer, inner) in zip(changes, bands):
        size = abs(change)
        made.append(change * (outer.keeps(size, start) & ~inner.keeps(size, start)))
    return made


def merged(
    tensors: Sequence[Array], base: Array, surveyed: Middle, start: int, *, weight: Sequence[float], elect: bool,
    normalize: bool, lambda_: float,
) -> Array:  # fmt: skip
    """The base plus the weighed sum (with `elect` the elected one) of the changes of middling size."""
    changes = kept([tensor - base for tensor in tensors], surveyed.bands, start)
    scaled = [c if s == 1 else c * s for c, s in zip(changes, surveyed.scale)]
    return total(scaled, base, weight=weight, elect=elect, normalize=normalize, lambda_=lambda_)
