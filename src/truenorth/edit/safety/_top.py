"""The largest scores of a tensor, and the set difference that isolates what only safety needs."""

from __future__ import annotations

import numpy as np

from truenorth.base import UserError
from truenorth.edit.arrays import Array, to_numpy


def top(scores: Array, share: float, *, within: str = "tensor") -> np.ndarray:
    """True at the floor(share * size) largest scores; of equal ones the first.

    Args:
        share: in [0, 1].
        within: "tensor", or "rows": so many of each row (Wanda compares scores of one output).
    """
    if not 0 <= share <= 1:
        raise UserError(f"share {share}", where="--set", expected="in [0, 1]")
    if within not in ("tensor", "rows"):
        raise UserError(f"within {within!r}", where="--set", expected="tensor or rows")
    values = to_numpy(scores)
    flat = values.reshape(1, -1) if within == "tensor" else values.reshape(-1, values.shape[-1])
    count = int(share * flat.shape[1] + 1e-9)  # 0.29 * 100 is 28.999999999999996
    found = np.zeros(flat.shape, bool)
    if count == flat.shape[1]:
        found[:] = True
    elif count:
        np.put_along_axis(found, np.argsort(-flat, axis=1, kind="stable")[:, :count], True, 1)
    return found.reshape(values.shape)


def only_in(
    first: Array, second: Array, *, first_share: float, second_share: float, within: str
) -> np.ndarray:
    """The top set of `first` without that of `second`."""
    return top(first, first_share, within=within) & ~top(second, second_share, within=within)


def like(mask: np.ndarray, tensor: Array) -> Array:
    """A mask in the library of a tensor."""
    return mask if isinstance(tensor, np.ndarray) else tensor.new_tensor(mask) != 0
