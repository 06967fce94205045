"""SLERP: from the base to another model along the arc between them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from truenorth.edit.arrays import Array
from truenorth.edit.method import Blocks, reads
from truenorth.edit.methods._gram import combined, gram

PARALLEL = 0.9995  # beyond this cosine the arc is a line


def angles(blocks: Blocks) -> np.ndarray:
    """(2, 2) dot products of the base and the other model."""
    return gram(blocks, of_base=True)


@reads("elements", survey=angles, inputs=1)
def slerp(tensors: Sequence[Array], base: Array, surveyed: np.ndarray, *, t: float) -> Array:
    """The point a share `t` of the way along the arc, 0 at the base and 1 at the other model.

    The arc is between the directions of the whole tensors; where they are (anti)parallel, a line.

    Source: Shoemake 1985, "Animating rotation with quaternion curves". Equal to mergekit 0.1.5.
    """
    if t in (0, 1):
        return tensors[0] if t else base
    lengths = np.sqrt(np.diag(surveyed))
    lengths[lengths <= 1e-8] = 1
    cosine = float(np.clip(surveyed[0, 1] / (lengths[0] * lengths[1]), -1, 1))
    if abs(cosine) > PARALLEL:
        return combined([base, tensors[0]], [1 - t, t])
    angle = math.acos(cosine)
    shares = [math.sin((1 - t) * angle) / math.sin(angle), math.sin(t * angle) / math.sin(angle)]
    return combined([base, tensors[0]], shares)
