"""Random sparsification, shared by DARE and DELLA: which changes stay, and what the kept ones are times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from truenorth.edit.arrays import Array
from truenorth.edit.method import Block, Blocks
from truenorth.edit.methods._changes import scales, sums_kept, total

Rescale = (
    bool | Literal["density"]
)  # True: to the sum of magnitudes of all; "density": by 1 / chance of staying
Chances = Callable[[Array, int], Array | float]  # of a change to stay, for the change and its model's place


def factors(blocks: Blocks, chances: Chances, rescale: Rescale) -> list[float]:
    """What each model's kept changes are multiplied by, over the whole tensor."""
    if rescale is not True:
        return [1.0] * blocks.count

    def look(block: Block) -> np.ndarray:
        assert block.noise is not None
        return sums_kept(block.deltas, thinned(block.deltas, block.noise, chances, rescale))

    return scales(blocks.map(look))


def thinned(
    changes: Sequence[Array], noise: Sequence[Array], chances: Chances, rescale: Rescale
) -> list[Array]:
    """Each change where it stays, 0 elsewhere; over its chance of staying where `rescale` is "density"."""
    from truenorth.edit.noise import chosen

    kept = []
    for i, (change, bits) in enumerate(zip(changes, noise)):
        chance = chances(change, i)
        if isinstance(chance, float) and chance >= 1:
            kept.append(change)
            continue
        kept.append(change * chosen(bits, chance))
        if rescale == "density" and not (isinstance(chance, float) and chance <= 0):
            kept[-1] = kept[-1] / chance
    return kept


def even(density: Sequence[float]) -> Chances:
    """DARE's chances: the same for every change of a model."""
    return lambda change, i: float(density[i])


def merged(
    tensors: Sequence[Array], base: Array, factor: Sequence[float], noise: Sequence[Array], chances: Chances,
    rescale: Rescale, *, weight: Sequence[float], elect: bool, normalize: bool, lambda_: float,
) -> Array:  # fmt: skip
    """The base plus the weighed sum (with `elect` the elected one) of the changes that chance keeps."""
    changes = thinned([tensor - base for tensor in tensors], noise, chances, rescale)
    scaled = [change if f == 1 else change * f for change, f in zip(changes, factor)]
    return total(scaled, base, weight=weight, elect=elect, normalize=normalize, lambda_=lambda_)
