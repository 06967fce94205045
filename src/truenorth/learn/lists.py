"""Lists of completions as rectangles: what the listwise objectives share."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from truenorth.learn.types import Batch, Group, Pair


class Lists(NamedTuple):
    """G lists, padded to the longest."""

    index_GK: Tensor  # which of the B completions; 0 where there is none
    mask_GK: Tensor  # True where a completion is

    def of(self, value_B: Tensor, fill: float = 0.0) -> Tensor:
        """(G, K) a number per completion, list by list; `fill` where there is none."""
        return value_B[self.index_GK].masked_fill(~self.mask_GK, fill)


def lists(policy: Group | Batch) -> Lists:
    """The groups of `policy` as rows. Completions of one prompt stand side by side."""
    count_G = torch.bincount(policy.group_B)
    place_K = torch.arange(int(count_G.max()), device=count_G.device)
    mask_GK = place_K < count_G[:, None]
    first_G = count_G.cumsum(0) - count_G
    return Lists(((first_G[:, None] + place_K) * mask_GK), mask_GK)


def ranks(value_GK: Tensor, mask_GK: Tensor) -> Tensor:
    """(G, K) rank of each entry in its row, 1 for the largest; equal ones in the order they stand."""
    order_GK = value_GK.masked_fill(~mask_GK, -torch.inf).argsort(dim=1, descending=True, stable=True)
    return order_GK.argsort(dim=1) + 1


def pairs_of(policy: Batch) -> Pair:
    """A batch whose groups are all pairs (chosen, rejected), as `Pair`.

    Raises:
        ValueError: an odd number of completions.
    """
    if len(policy.group_B) % 2:
        raise ValueError(
            f"{len(policy.group_B)} completions are not pairs; give (chosen, rejected) completions"
        )
    tokens, mask = policy.answers
    kind = type(policy.answers)
    return Pair(kind(tokens[0::2], mask[0::2]), kind(tokens[1::2], mask[1::2]))


def firsts(policy: Batch) -> Tensor:
    """(G,) the index of the first completion of each group."""
    count_G = torch.bincount(policy.group_B)
    return count_G.cumsum(0) - count_G
