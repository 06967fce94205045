"""ExPO: go on past an aligned model in the direction that led to it from its supervised start."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array
from truenorth.edit.method import reads


@reads("elements", inputs=1)
def expo(tensors: Sequence[Array], base: Array, *, alpha: float) -> Array:
    """aligned + alpha * (aligned - base); the base is the model that the alignment started from.

    Args:
        alpha: 0.3 to 0.5 past a fully trained model, more past one that trained briefly; -1 is the base.
            Choose it on held-out prompts: too much lengthens answers.

    Source: Zheng et al. 2024 (arXiv:2404.16792), eq. 1.
    """
    return tensors[0] + (tensors[0] - base) * alpha
