"""The weighed mean of models that share an initialisation (a model soup)."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array
from truenorth.edit.method import Each, reads


@reads("elements")
def linear(tensors: Sequence[Array], *, weight: Each, normalize: bool = True) -> Array:
    """The sum of weight times tensor, divided by the sum of the weights where `normalize`.

    A weight of zero leaves its model out, so a single weight of 1 returns its tensor bit for bit.

    Source: Wortsman et al. 2022 (arXiv:2203.05482). Equal to mergekit 0.1.5 to float32 rounding.
    """
    divisor = sum(weight) if normalize else 1.0
    used = [(tensor, w / divisor) for tensor, w in zip(tensors, weight) if w]
    if not used:
        return tensors[0] * 0
    if len(used) == 1 and used[0][1] == 1:
        return used[0][0]
    mixed = used[0][0] * used[0][1]
    for tensor, w in used[1:]:
        mixed += tensor * w
    return mixed
