"""The k largest magnitudes of a tensor that is only ever seen in blocks: exact, in little memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from truenorth.edit.arrays import Array, to_numpy
from truenorth.edit.method import Block, Blocks

Magnitudes = Callable[[Block], Sequence[Array]]  # one array of values >= 0 for each tensor
MARGIN = 0.01  # of the sample, on both sides of the wanted rank
RUN = 1024  # neighbours taken together into the sample
SAMPLE = 1 << 16


class Cut(NamedTuple):
    """Larger than `threshold`, or equal to it at a flat index up to `last` (from `first` on).

    Equal values are common in bfloat16; without the index more than k would stay.
    """

    threshold: float
    first: float = -np.inf
    last: float = np.inf

    def keeps(self, magnitude: Array, start: int) -> Array:
        """Which of a block's values are kept; `start` is the flat index of its first."""
        if self.first == -np.inf and self.last == np.inf:
            return magnitude >= self.threshold
        index = np.arange(start, start + magnitude.reshape(-1).shape[0]).reshape(tuple(magnitude.shape))
        tied = (index >= self.first) & (index <= self.last)
        if not isinstance(magnitude, np.ndarray):
            tied = magnitude.new_tensor(tied) != 0
        return (magnitude > self.threshold) | ((magnitude == self.threshold) & tied)


ALL, NONE = Cut(-np.inf), Cut(np.inf)


def cuts(blocks: Blocks, magnitudes: Magnitudes, keep: Sequence[int], *, favour: str = "first") -> list[Cut]:
    """For each tensor the cut that keeps exactly `keep` of its values, the largest.

    Args:
        favour: which of equal values at the threshold are kept: those that stand "first" or "last".

    One pass where a sample tells about where the threshold lies (nearly always); one more where many values
    equal the threshold.
    """
    brackets = _brackets(blocks, magnitudes, keep)
    found = _select(blocks, magnitudes, keep, brackets)
    tied = [i for i, (cut, surplus) in enumerate(found) if surplus and cut.threshold > 0]
    made = [cut for cut, _ in found]
    if tied:
        positions = _positions(blocks, magnitudes, made, tied)
        for i in tied:
            surplus = found[i][1]
            at = positions[i]
            made[i] = (
                Cut(made[i].threshold, last=float(at[len(at) - surplus - 1]) if surplus < len(at) else -1.0)
                if favour == "first"
                else Cut(made[i].threshold, first=float(at[surplus]) if surplus < len(at) else np.inf)
            )
    return made


def _brackets(blocks: Blocks, magnitudes: Magnitudes, keep: Sequence[int]) -> list[tuple[float, float]]:
    """Two values a tensor between which its threshold should lie."""
    parts = [[to_numpy(m).reshape(-1) for m in magnitudes(block)] for block in blocks.sample()]
    brackets = []
    for i, k in enumerate(keep):
        values = np.sort(np.concatenate([part[i] for part in parts]))
        if len(values) >= blocks.size:
            brackets.append((-np.inf, np.inf))
            continue
        rank = 1 - k / blocks.size
        low, high = ((rank + side * MARGIN) * len(values) for side in (-1, 1))
        brackets.append((
            float(values[int(low)]) if low >= 1 else -np.inf,
            float(values[int(high)]) if high < len(values) - 1 else np.inf,
        ))  # fmt: skip
    return brackets


def _select(
    blocks: Blocks, magnitudes: Magnitudes, keep: Sequence[int], brackets: list[tuple[float, float]]
) -> list[tuple[Cut, int]]:
    """Each tensor's threshold, and how many values too many are equal to it."""

    def look(block: Block) -> list[tuple[int, np.ndarray]]:
        seen = []
        for i, magnitude in enumerate(magnitudes(block)):
            low, high = brackets[i]
            values = to_numpy(magnitude).reshape(-1)
            if 0 < keep[i] < blocks.size:
                above = int(np.count_nonzero(values > high)) if high < np.inf else 0
                inside = values[(values >= low) & (values <= high)] if low > -np.inf or above else values
                seen.append((above, inside if inside is not values else values.copy()))
            else:
                seen.append((0, values[:0]))
        return seen

    looks = blocks.map(look)
    found: list[tuple[Cut, int]] = []
    for i, k in enumerate(keep):
        if k >= blocks.size or k <= 0:
            found.append((ALL if k > 0 else NONE, 0))
            continue
        above = sum(look[i][0] for look in looks)
        inside = np.concatenate([look[i][1] for look in looks])
        rank = k - above  # the threshold is the rank-th largest of `inside`
        if not 1 <= rank <= len(inside):
            low, high = brackets[i]
            wider = (high, np.inf) if rank < 1 else (-np.inf, low)
            only = [k if j == i else 0 for j in range(len(keep))]
            redo = [wider if j == i else (-np.inf, np.inf) for j in range(len(keep))]
            found.append(_select(blocks, magnitudes, only, redo)[i])
            continue
        threshold = np.partition(inside, len(inside) - rank)[len(inside) - rank]
        equal_or_more = above + int(np.count_nonzero(inside >= threshold))
        found.append((Cut(threshold), equal_or_more - k))
    return found


def _positions(
    blocks: Blocks, magnitudes: Magnitudes, made: Sequence[Cut], tied: Sequence[int]
) -> dict[int, np.ndarray]:
    """The flat indices of the values equal to each tied threshold, rising."""

    def look(block: Block) -> dict[int, np.ndarray]:
        values = magnitudes(block)
        return {i: block.start + np.flatnonzero(to_numpy(values[i]) == made[i].threshold) for i in tied}

    looks = blocks.map(look)
    return {i: np.concatenate([look[i] for look in looks]) for i in tied}
