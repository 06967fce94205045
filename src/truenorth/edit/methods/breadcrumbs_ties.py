"""Model breadcrumbs with the election of TIES."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array
from truenorth.edit.method import Each, reads
from truenorth.edit.methods._middle import Middle, merged, middle


@reads("elements", survey=middle)
def breadcrumbs_ties(
    tensors: Sequence[Array], base: Array, surveyed: Middle, start: int = 0, *, weight: Each, density: Each = 1.0,
    gamma: Each = 0.01, normalize: bool = False, rescale: bool = False, lambda_: float = 1.0,
) -> Array:  # fmt: skip
    """base + lambda * the elected sum of the changes of middling size; settings as of `breadcrumbs`.

    Source: Davari and Belilovsky 2023 (arXiv:2312.06795); the election as in `ties`.
    """
    how = {"weight": weight, "normalize": normalize, "lambda_": lambda_}
    return merged(tensors, base, surveyed, start, elect=True, **how)
