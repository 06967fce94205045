"""LiPO-lambda: pairs of a list count by how much their order matters to a ranking metric."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from truenorth.learn.lists import lists, ranks
from truenorth.learn.ratios import log_ratio
from truenorth.learn.types import Group, Losses

LOGIC = "it ranks a list, and the theory is about pairs (two answers are DPO times a constant)"


def lipo(policy: Group, reference: Group, scores: Tensor, *, beta: float = 0.05) -> Losses:
    """(G,) -sum over score_i > score_j of W_ij log sigma(s_i - s_j), with s = beta * log-ratio.

    W_ij = |2^score_i - 2^score_j| * |1 / log(1 + rank_i) - 1 / log(1 + rank_j)| is the change of DCG if the two
    swapped places; ranks are by s, equal ones in the order they stand, and W carries no gradient.

    Args:
        scores: (B,) of each completion, scaled to [0, 1].

    Pitfall: summed over pairs; scores beyond 1 make 2^score explode.

    Source: Liu et al. 2024 (arXiv:2402.01878), eq. 12, read in a public summary: natural logarithm in
    the discount, sum over pairs.

    >>> import torch
    >>> from truenorth.learn.worked import group
    >>> same = group(-1.0, -2.0)  # W = (2 - 1) * (1 / log 2 - 1 / log 3) = 0.53246, times log 2
    >>> lipo(same, same, torch.tensor([1.0, 0.0]))
    tensor([0.3691])
    """
    shape = lists(policy)
    s_GK = shape.of(beta * log_ratio(policy.answers, reference.answers))
    score_GK = shape.of(scores)
    both_GKK = shape.mask_GK[:, :, None] & shape.mask_GK[:, None, :]
    better_GKK = (score_GK[:, :, None] > score_GK[:, None, :]) & both_GKK
    gain_GK = 2.0**score_GK
    discount_GK = 1 / (1.0 + ranks(s_GK.detach(), shape.mask_GK)).log()
    gain_GKK = (gain_GK[:, :, None] - gain_GK[:, None, :]).abs()
    weight_GKK = gain_GKK * (discount_GK[:, :, None] - discount_GK[:, None, :]).abs()
    loss_GKK = -F.logsigmoid(s_GK[:, :, None] - s_GK[:, None, :])
    return (weight_GKK * loss_GKK * better_GKK).sum((1, 2))
