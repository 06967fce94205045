"""SCE: select the elements in which models differ most, weigh models by their changes there, elect signs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from truenorth.edit.arrays import Array, library
from truenorth.edit.method import Block, Blocks, reads
from truenorth.edit.methods._cut import ALL, NONE, Cut, cuts


class Selection(NamedTuple):
    """Where the models' variance is cut, and each model's share of the squared changes that stay."""

    cut: Cut
    share: list[float]


def select(blocks: Blocks, *, select_topk: float = 1.0) -> Selection:
    """Which elements vary enough to be merged, and each model's share."""
    cut = ALL
    if select_topk < 1:
        varied = sum(blocks.map(lambda block: int((_variance(block.deltas) != 0).sum())))
        keep = int(varied * max(select_topk, 0))
        cut = cuts(blocks, lambda block: [_variance(block.deltas)], [keep])[0] if keep else NONE
    squares = np.sum(blocks.map(lambda block: _squares(block, cut)), 0) / blocks.size
    if squares.sum() < 1e-6:
        return Selection(cut, [1 / len(squares)] * len(squares))
    return Selection(cut, [float(share) for share in squares / squares.sum()])


def _variance(changes: Sequence[Array]) -> Array:
    xp = library(changes[0])
    return xp.stack(list(changes)).var(0) if xp is np else xp.stack(list(changes)).var(0, correction=0)


def _squares(block: Block, cut: Cut) -> np.ndarray:
    return np.array([float((change * change).sum()) for change in _selected(block.deltas, cut, block.start)])


def _selected(changes: Sequence[Array], cut: Cut, start: int) -> list[Array]:
    if cut is ALL:
        return list(changes)
    mask = cut.keeps(_variance(changes), start)
    return [change * mask for change in changes]


@reads("elements", survey=select)
def sce(
    tensors: Sequence[Array], base: Array, surveyed: Selection, start: int = 0, *, select_topk: float = 1.0
) -> Array:
    """base + the mean of the selected changes that agree in sign with their sum, weighed by squared change.

    Args:
        select_topk: in (0, 1], the share of elements (of those that vary at all) that is selected.

    Source: Wan et al. 2024 (arXiv:2408.07990), section 3.3. Equal to mergekit 0.1.5, whose shares are equal
    where the mean squared change is below 1e-6 in all: in small fine-tunes, that is most tensors.
    """
    changes = _selected([tensor - base for tensor in tensors], surveyed.cut, start)
    sums = sum(changes[1:], start=changes[0])
    positive = sums >= 0
    mixed, divisor = sums * 0, sums * 0
    for change, share in zip(changes, surveyed.share):
        agrees = ((change > 0) & positive) | ((change < 0) & ~positive)
        mixed += change * agrees * share
        divisor += agrees * share
    return base + mixed / library(sums).clip(divisor, 1e-6, None)
