"""What RAM counts: how many models changed an element."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from truenorth.edit.arrays import Array
from truenorth.edit.method import Block, Blocks


def mixed(changes: Sequence[Array], factors: Sequence[float], epsilon: float) -> Array:
    """Each element's change: times the model's factor where it is the only one, else their mean."""
    made = [abs(change) > epsilon for change in changes]
    count = sum((m * 1 for m in made[1:]), start=made[0] * 1)
    one, mean = count == 1, (count > 1) / (count + (count == 0))
    total = changes[0] * 0
    for change, m, factor in zip(changes, made, factors):
        total = total + change * m * (one * factor + mean)
    return total.astype(changes[0].dtype) if isinstance(total, np.ndarray) else total.to(changes[0].dtype)


def overlap(blocks: Blocks, epsilon: float) -> np.ndarray:
    """(2, N) how many elements each model changed together with others, and alone."""

    def look(block: Block) -> np.ndarray:
        made = [abs(change) > epsilon for change in block.deltas]
        count = sum((m * 1 for m in made[1:]), start=made[0] * 1)
        return np.array(
            [[int((m & (count > 1)).sum()) for m in made], [int((m & (count == 1)).sum()) for m in made]]
        )

    return np.sum(blocks.map(look), 0)
