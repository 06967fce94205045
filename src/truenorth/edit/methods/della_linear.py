"""DELLA without the election: drop changes by chance, small ones first, and add up."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array
from truenorth.edit.method import Each, reads
from truenorth.edit.methods._random import Drawn, Rescale, merged
from truenorth.edit.methods._rank import chances
from truenorth.edit.methods.della import survey


@reads("rows", survey=survey)
def della_linear(
    tensors: Sequence[Array], base: Array, surveyed: Drawn, noise: Sequence[Array],
    start: int = 0, *, weight: Each,
    density: Each = 1.0, epsilon: Each = 0.15, normalize: bool = False, rescale: Rescale = True,
    lambda_: float = 1.0,
) -> Array:  # fmt: skip
    """base + lambda * the sum of the changes that chance keeps, large ones likelier; settings as of `della`.

    Source: Deep et al. 2024 (arXiv:2406.11617), MagPrune.
    """
    how = {"weight": weight, "normalize": normalize, "lambda_": lambda_}
    return merged(
        tensors, base, surveyed, noise, start, chances(density, epsilon), rescale, elect=False, **how
    )
