"""Random sparsification, shared by DARE and DELLA: which changes stay, and what the kept ones are times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from truenorth.edit.arrays import Array
from truenorth.edit.method import Block, Blocks
from truenorth.edit.methods._changes import scales, sums_kept, total

Rescale = (
    bool | Literal["density"]
)  # True: to the sum of magnitudes of all; "density": by 1 / chance of staying
Chances = Callable[[Array, int], Array | float]  # of a change to stay, for the change and its model's place


class Stay(NamedTuple):
    """Which changes of a model stay (None: all), and the chance that each had to."""

    mask: Array | None
    chance: Array | float = 1.0


class Drawn(NamedTuple):
    """What a survey found over a whole tensor."""

    factor: list[float]  # what each model's kept changes are multiplied by
    bits: Mapping[int, list[np.ndarray | None]] = {}  # by where a block starts: its masks, eight to a byte

    def stays(self, start: int, like: Array) -> list[Stay] | None:
        """Which changes of a block of the shape of `like` stay, or None where the survey did not keep that."""
        if start not in self.bits:
            return None
        size, shape = like.size, like.shape
        return [
            Stay(None if bits is None else np.unpackbits(bits, count=size).view(bool).reshape(shape))
            for bits in self.bits[start]
        ]


def drawn(blocks: Blocks, chances: Chances, rescale: Rescale) -> Drawn:
    """What rescaling needs of the whole tensor, with the masks for the merge: to draw again would cost more."""
    if rescale is not True:
        return Drawn([1.0] * blocks.count)

    def look(block: Block) -> tuple[np.ndarray, int, list[np.ndarray | None]]:
        assert block.noise is not None
        changes = block.deltas
        stays = staying(changes, block.noise, chances)
        sums = sums_kept(changes, thinned(changes, stays, rescale))
        if not isinstance(changes[0], np.ndarray):
            return sums, -1, []  # elsewhere than in this machine's memory they are drawn again
        return sums, block.start, [None if s.mask is None else np.packbits(s.mask) for s in stays]

    found = blocks.map(look)
    return Drawn(scales([sums for sums, _, _ in found]), {start: bits for _, start, bits in found})


def staying(changes: Sequence[Array], noise: Sequence[Array], chances: Chances) -> list[Stay]:
    """Each model's draw."""
    from truenorth.edit.noise import chosen

    stays = []
    for i, change in enumerate(changes):
        chance = chances(change, i)
        certain = isinstance(chance, float) and chance >= 1
        stays.append(Stay(None) if certain else Stay(chosen(noise[i], chance), chance))
    return stays


def thinned(changes: Sequence[Array], stays: Sequence[Stay], rescale: Rescale) -> list[Array]:
    """Each change where it stays, 0 elsewhere; over its chance of staying where `rescale` is "density"."""
    kept = []
    for change, (mask, chance) in zip(changes, stays):
        kept.append(change if mask is None else change * mask)
        if rescale == "density" and mask is not None and not (isinstance(chance, float) and chance <= 0):
            kept[-1] = kept[-1] / chance
    return kept


def even(density: Sequence[float]) -> Chances:
    """DARE's chances: the same for every change of a model."""
    return lambda change, i: float(density[i])


def merged(
    tensors: Sequence[Array], base: Array, found: Drawn, noise: Sequence[Array], start: int, chances: Chances,
    rescale: Rescale, *, weight: Sequence[float], elect: bool, normalize: bool, lambda_: float,
) -> Array:  # fmt: skip
    """The base plus the weighed sum (with `elect` the elected one) of the changes that chance keeps."""
    changes = [tensor - base for tensor in tensors]
    stays = found.stays(start, base) or staying(changes, noise, chances)
    kept = thinned(changes, stays, rescale)
    scaled = [change if f == 1 else change * f for change, f in zip(kept, found.factor)]
    return total(scaled, base, weight=weight, elect=elect, normalize=normalize, lambda_=lambda_)
