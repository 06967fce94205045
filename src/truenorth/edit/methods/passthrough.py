"""One model's tensors as they are, or scaled: for slices that stack layers of several models."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array
from truenorth.edit.method import Each, reads


@reads("elements", inputs=1)
def passthrough(tensors: Sequence[Array], *, scale: Each = None) -> Array:
    """The tensor, times `scale` where one is given. Source: mergekit."""
    return tensors[0] if scale[0] is None else tensors[0] * scale[0]
