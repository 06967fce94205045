"""DARE, then the elected sum of TIES: drop changes at random, make up for them, elect signs."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array
from truenorth.edit.method import Each, reads
from truenorth.edit.methods._random import Drawn, Rescale, even, merged
from truenorth.edit.methods.dare_linear import survey


@reads("elements", survey=survey)
def dare_ties(
    tensors: Sequence[Array], base: Array, surveyed: Drawn, noise: Sequence[Array],
    start: int = 0, *, weight: Each,
    density: Each = 1.0, normalize: bool = False, rescale: Rescale = True, lambda_: float = 1.0,
) -> Array:  # fmt: skip
    """base + lambda * the elected sum of the changes that chance keeps; settings as of `dare_linear`.

    Source: Yu et al. 2024 (arXiv:2311.03099), eq. 2-3; the election as in `ties`.
    """
    how = {"weight": weight, "normalize": normalize, "lambda_": lambda_}
    return merged(tensors, base, surveyed, noise, start, even(density), rescale, elect=True, **how)
