"""TIES: keep each model's largest changes, elect a sign, add up the changes that agree with it."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array
from truenorth.edit.method import Block, Blocks, Each, reads
from truenorth.edit.methods._changes import scales, sums_kept, total
from truenorth.edit.methods._cut import Cut, cuts


def largest(blocks: Blocks, *, density: Each, rescale: bool = False) -> tuple[list[Cut], list[float]]:
    """Where each model's changes are cut to keep the share `density`, and what they are multiplied by."""
    keep = [0 if d <= 0 else min(max(1, int(d * blocks.size)), blocks.size) for d in density]
    found = cuts(blocks, lambda block: [abs(change) for change in block.deltas], keep)
    if not rescale:
        return found, [1.0] * len(found)

    def look(block: Block):
        return sums_kept(block.deltas, kept(block.deltas, found, block.start))

    return found, scales(blocks.map(look))


def kept(changes: Sequence[Array], found: Sequence[Cut], start: int) -> list[Array]:
    """Each change where it is among its tensor's largest, 0 elsewhere."""
    return [change * cut.keeps(abs(change), start) for change, cut in zip(changes, found)]


@reads("elements", survey=largest)
def ties(
    tensors: Sequence[Array],
    base: Array,
    surveyed: tuple[list[Cut], list[float]],
    start: int = 0,
    *,
    weight: Each,
    density: Each = 1.0,
    normalize: bool = True,
    rescale: bool = False,
    lambda_: float = 1.0,
) -> Array:
    """base + lambda * the elected sum of the largest changes.

    Args:
        density: in (0, 1], the share of changes each model keeps, tensor by tensor; the paper's 0.2.
        normalize: divide by the weights of the models that agree.
        rescale: give the kept changes the sum of magnitudes of all.

    Source: Yadav et al. 2023 (arXiv:2306.01708). As in mergekit 0.1.5 the share is taken in each tensor and
    signs are elected after weighing; the authors' code takes it over the whole model, before weighing.
    """
    found, scale = surveyed
    changes = kept([tensor - base for tensor in tensors], found, start)
    scaled = [c if s == 1 else c * s for c, s in zip(changes, scale)]
    return total(scaled, base, weight=weight, elect=True, normalize=normalize, lambda_=lambda_)
