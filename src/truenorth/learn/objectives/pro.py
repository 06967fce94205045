"""PRO: every answer in a ranking is contrasted with all worse ones, the harder the larger the score gap."""

from __future__ import annotations

import torch
from torch import Tensor

from truenorth.learn.lists import lists
from truenorth.learn.types import Group, Losses

LOGIC = "it ranks a list with a temperature per pair, and the theory is about pairs"


def pro(policy: Group, scores: Tensor, *, sft: float = 0.05) -> Losses:
    """(G,) sum_k (log sum_{i >= k} exp(T_ki s_i) - T_kk s_k) + sft * (K - 1)^2 * NLL of the best, s per token.

    Answers stand from best to worst score; T_ki = score_k - score_i, and T_kk is the largest of row k.

    Args:
        scores: (B,) of each completion, in [0, 1] or thereabouts: they are temperatures.
        sft: weight of the imitation of the best answer, whose NLL is summed over its tokens.

    Pitfall: scores far apart make it a hard maximum; squash rewards first. Without a reference, the
    imitation is the anchor.

    Source: Song et al. 2023 (arXiv:2306.17492), eq. 7 and 8; the authors' code, with a logsumexp.

    >>> from truenorth.learn.worked import group
    >>> pro(group(-1.0, -3.0), torch.tensor([0.5, 0.0]), sft=0.0)  # softplus(0.5 * (-3 + 1)) = softplus(-1)
    tensor([0.3133])
    """
    shape = lists(policy)
    order_GK = shape.of(scores, fill=-torch.inf).argsort(dim=1, descending=True, stable=True)
    score_GK = shape.of(scores).gather(1, order_GK)
    s_GK = shape.of(policy.answers.mean).gather(1, order_GK)
    mask_GK = shape.mask_GK  # padding has the lowest score, so it stays last
    size = s_GK.shape[1]
    gap_GKK = (score_GK[:, :, None] - score_GK[:, None, :]).masked_fill(~mask_GK[:, None, :], 0.0)
    worse_KK = torch.ones(size, size, dtype=torch.bool, device=s_GK.device).triu(1)
    own_GK = (gap_GKK * worse_KK).max(2).values
    t_GKK = torch.where(torch.eye(size, dtype=torch.bool, device=s_GK.device), own_GK[:, :, None], gap_GKK)
    inside_GKK = mask_GK[:, None, :] & ~worse_KK.T
    all_GK = (t_GKK * s_GK[:, None, :]).masked_fill(~inside_GKK, -torch.inf).logsumexp(2)
    term_GK = (all_GK - own_GK * s_GK).masked_fill(~mask_GK, 0.0)
    best_G = shape.of(policy.answers.total).gather(1, order_GK)[:, 0]
    return term_GK.sum(1) - sft * (mask_GK.sum(1) - 1) ** 2 * best_G
