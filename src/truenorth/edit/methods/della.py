"""DELLA: drop changes by chance, small ones first, then elect signs and add up."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array
from truenorth.edit.method import Blocks, Each, reads
from truenorth.edit.methods._random import Drawn, Rescale, drawn, merged
from truenorth.edit.methods._rank import chances


def survey(blocks: Blocks, *, density: Each, epsilon: Each, rescale: Rescale = True) -> Drawn:
    """Which changes stay, and what each model's are multiplied by."""
    return drawn(blocks, chances(density, epsilon), rescale)


@reads("rows", survey=survey)
def della(
    tensors: Sequence[Array],
    base: Array,
    surveyed: Drawn,
    noise: Sequence[Array],
    start: int = 0,
    *,
    weight: Each,
    density: Each = 1.0,
    epsilon: Each = 0.15,
    normalize: bool = True,
    rescale: Rescale = True,
    lambda_: float = 1.0,
) -> Array:
    """base + lambda * the elected sum of the changes that chance keeps, large ones likelier.

    Args:
        density: in [0, 1], the mean chance of a change to stay.
        epsilon: chances run from density - epsilon (the smallest of a row) to density + epsilon (the largest).
        rescale: "density" divides what stays by its own chance, as the authors do; True matches the tensor's
            sum of magnitudes, as mergekit 0.1.5 does; False leaves it.

    Source: Deep et al. 2024 (arXiv:2406.11617), MagPrune.
    """
    return merged(
        tensors, base, surveyed, noise, start, chances(density, epsilon), rescale,
        weight=weight, elect=True, normalize=normalize, lambda_=lambda_,
    )  # fmt: skip
