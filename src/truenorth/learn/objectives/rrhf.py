"""RRHF: mean log-likelihoods of K answers are put in the order of their scores; the best is imitated."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from truenorth.learn.lists import lists, ranks
from truenorth.learn.types import Group, Losses

LOGIC = "it ranks a list, and the theory is about pairs (two answers are SLiC with margin 0)"


def rrhf(policy: Group, scores: Tensor, *, weight: float = 1.0) -> Losses:
    """(G,) weight * sum over score_i < score_j of max(0, p_i - p_j), less p of the best; p = log-prob per token.

    Args:
        scores: (B,) of each completion; equal ones are not compared, and the first of the best is imitated.
        weight: of the ranking against the imitation.

    Pitfall: summed over pairs, so it grows with K^2; a poor best answer is imitated all the same.

    Source: Yuan et al. 2023 (arXiv:2304.05302), eq. 2 to 4. The authors' code averages the imitation over
    padded positions; this is per token.

    >>> from truenorth.learn.worked import group
    >>> rrhf(group(-1.0, -3.0, -2.0), torch.tensor([1.0, 2.0, 2.0]))  # (-1 + 3) + (-1 + 2) + 3
    tensor([6.])
    """
    shape = lists(policy)
    p_GK, score_GK = shape.of(policy.answers.mean), shape.of(scores)
    both_GKK = shape.mask_GK[:, :, None] & shape.mask_GK[:, None, :]
    wrong_GKK = (score_GK[:, :, None] < score_GK[:, None, :]) & both_GKK
    rank_G = (F.relu(p_GK[:, :, None] - p_GK[:, None, :]) * wrong_GKK).sum((1, 2))
    best_GK = ranks(score_GK, shape.mask_GK) == 1
    return weight * rank_G - torch.where(best_GK, p_GK, torch.zeros_like(p_GK)).sum(1)
