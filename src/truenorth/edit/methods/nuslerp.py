"""NuSLERP: between two models along the arc, by tensor, by row or by column, or between their changes of a base."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from truenorth.edit.arrays import Array, double, library, to_numpy
from truenorth.edit.method import Block, Blocks, Each, reads

PARALLEL = 1e-8  # of 1 - cos^2's root


def angles(
    blocks: Blocks, *, nuslerp_flatten: bool = True, nuslerp_row_wise: bool = False
) -> np.ndarray | None:
    """(3, 1) or, column by column, (3, C): squared lengths of both and their dot product; None by rows."""
    if not nuslerp_flatten and not nuslerp_row_wise:
        return None

    def look(block: Block) -> np.ndarray:
        a, b = (double(v) for v in (block.tensors if block.base is None else block.deltas))
        axis = None if nuslerp_flatten or a.shape[-1] == blocks.size else 0
        sums = [(a * a), (b * b), (a * b)]
        return np.stack([np.atleast_1d(to_numpy(s.sum() if axis is None else s.sum(axis))) for s in sums])

    return np.sum(blocks.map(look), 0)


@reads("rows", survey=angles, inputs=2)
def nuslerp(
    tensors: Sequence[Array],
    base: Array | None = None,
    surveyed: np.ndarray | None = None,
    *,
    weight: Each,
    nuslerp_flatten: bool = True,
    nuslerp_row_wise: bool = False,
) -> Array:
    """A share weight[1] / (weight[0] + weight[1]) of the way along the arc from the first model to the second.

    Args:
        nuslerp_flatten: one angle for the tensor; False: one for each vector along the last axis, or along the
            first with `nuslerp_row_wise` (mergekit's names; a tensor of one axis has one either way).

    Source: mergekit 0.1.5, which it equals.
    """
    whole = sum(weight)
    t = 0.5 if abs(whole) < 1e-6 else weight[1] / whole
    a, b = tensors if base is None else [tensor - base for tensor in tensors]
    xp = library(a)
    if surveyed is None:
        wide_a, wide_b = double(a), double(b)
        sums = [(x * y).sum(-1)[..., None] for x, y in ((wide_a, wide_a), (wide_b, wide_b), (wide_a, wide_b))]
    else:
        sums = list(surveyed) if xp is np else list(xp.as_tensor(surveyed, device=a.device))
    lengths = xp.clip(sums[0] ** 0.5, 1e-7, None) * xp.clip(sums[1] ** 0.5, 1e-7, None)
    cosine = xp.clip(sums[2] / lengths, -1, 1)
    line = (1 - cosine * cosine) <= PARALLEL**2
    angle = xp.arccos(cosine * ~line)
    shares = [xp.sin((1 - t) * angle) / xp.sin(angle), xp.sin(t * angle) / xp.sin(angle)]
    shares = [xp.where(line, plain, share) for plain, share in zip(_like(xp, line, t), shares)]
    if xp is np:
        shares = [share.astype(a.dtype) for share in shares]
    else:
        shares = [share.to(a.dtype) for share in shares]
    made = a * shares[0] + b * shares[1]
    return made if base is None else base + made


def _like(xp, line: Array, t: float) -> list[Array]:
    ones = xp.ones_like(line) * 1.0
    return [ones * (1 - t), ones * t]
