"""Rounding to nearest: 8-, 4- or any-bit weights with a scale for each group of neighbours in a row."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from truenorth.base import UserError
from truenorth.edit.arrays import Array, library, to_numpy
from truenorth.edit.method import reads
from truenorth.edit.plan import Step
from truenorth.edit.safety._edit import edits, matrices

SCALE_BITS = 16


def bits_of(steps: Sequence[Step], *, bits: int = 4, group: int = 64) -> Sequence[tuple[str, str]]:
    """Bits per weight over the tensors it reaches, scales counted."""
    total = sum(
        step.shape[0] * (bits * step.shape[1] + SCALE_BITS * ceil(step.shape[1] / group)) for step in steps
    )
    return [("bits", f"{total / sum(step.size for step in steps):.3f} per weight of the tensors it reaches")]


@edits("model", reach=matrices, told=bits_of)
@reads("rows", inputs=1)
def rounded(tensors: Sequence[Array], *, bits: int = 4, group: int = 64) -> Array:
    """Each weight as the nearest of 2^bits - 1 evenly spaced levels, the outermost its group's largest magnitude.

    Args:
        bits: 2 to 8.
        group: weights of a row that share a scale.

    Raises:
        UserError: bits outside 2 to 8, or a group that is no whole number of 1 or more.

    Source: absmax quantisation, as in Dettmers et al. 2022 (arXiv:2208.07339), section 2; a plain reference for
    what alignment survives. It is arithmetic only: the result is stored in the model's type.
    """
    if bits not in range(2, 9) or group < 1 or group != int(group):
        raise UserError(f"{bits} bits in groups of {group}", where="--set", expected="2 to 8, and 1 or more")
    weights, top = to_numpy(tensors[0]).astype(np.float32), np.float32(2 ** (int(bits) - 1) - 1)
    rows, columns = weights.shape
    padded = np.zeros((rows, ceil(columns / int(group)) * int(group)), np.float32)
    padded[:, :columns] = weights
    parts = padded.reshape(rows, -1, int(group))
    scale = abs(parts).max(-1, keepdims=True) / top
    made = np.round(parts / np.where(scale > 0, scale, 1)) * scale
    return library(tensors[0]).asarray(made.reshape(rows, -1)[:, :columns].astype(np.float32))
