"""NearSwap: take the other model where it is near the base, less of it the farther it is."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array, library
from truenorth.edit.method import reads


@reads("elements", inputs=1)
def nearswap(tensors: Sequence[Array], base: Array, *, t: float) -> Array:
    """base + min(1, t / |difference|) * difference: no element moves by more than `t`.

    Source: huggingface.co/alchemonaut/QuartetAnemoi-70B-t0.0001. Equal to mergekit 0.1.5.
    """
    change = tensors[0] - base
    xp = library(base)
    share = xp.clip(t / xp.clip(abs(change), 1e-6, None), 0, 1)
    return share * tensors[0] + (1 - share) * base
