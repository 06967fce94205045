"""DARE: drop changes at random, make up for them, and add up the rest."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array
from truenorth.edit.method import Blocks, Each, reads
from truenorth.edit.methods._random import Drawn, Rescale, drawn, even, merged


def survey(blocks: Blocks, *, density: Each, rescale: Rescale = True) -> Drawn:
    """Which changes stay, and what each model's are multiplied by."""
    return drawn(blocks, even(density), rescale)


@reads("elements", survey=survey)
def dare_linear(
    tensors: Sequence[Array],
    base: Array,
    surveyed: Drawn,
    noise: Sequence[Array],
    start: int = 0,
    *,
    weight: Each,
    density: Each = 1.0,
    normalize: bool = False,
    rescale: Rescale = True,
    lambda_: float = 1.0,
) -> Array:
    """base + lambda * the sum of the changes that chance keeps.

    Args:
        density: in [0, 1], the chance of each change to stay (1 - p in the paper).
        rescale: "density" divides what stays by its chance, as the paper does, so that the expected change is
            the whole change; True gives each tensor's kept changes the sum of magnitudes of all of them, as
            mergekit 0.1.5 does; False leaves them.

    Source: Yu et al. 2024 (arXiv:2311.03099), eq. 2-3.
    """
    return merged(
        tensors, base, surveyed, noise, start, even(density), rescale,
        weight=weight, elect=False, normalize=normalize, lambda_=lambda_,
    )  # fmt: skip
