"""NCA: noise-contrastive estimation from K scored answers; it also holds each likelihood by itself."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from truenorth.learn.lists import lists
from truenorth.learn.ratios import log_ratio
from truenorth.learn.types import Group, Losses

LOGIC = "it ranks a list, and the theory is about pairs (`nca_pair` is its pair form)"


def nca(
    policy: Group, reference: Group, scores: Tensor, *, beta: float = 0.01, temperature: float = 0.1
) -> Losses:
    """(G,) -sum_i (q_i log sigma(s_i) + 1/K log sigma(-s_i)), q = softmax(scores / temperature), s = beta * log-ratio.

    Args:
        scores: (B,) of each completion; larger is better.
        temperature: towards 0, the best answer takes all.

    Pitfall: its optimum s_i = log(K q_i) is minus infinity for answers that get no weight at all.

    Source: Chen et al. 2024 (arXiv:2402.05369), eq. 11. Pairs with certain labels: `nca_pair`.

    >>> from truenorth.learn.worked import group
    >>> same = group(-1.0, -2.0)
    >>> nca(same, same, torch.tensor([1.0, 0.0]))  # 2 log 2 whatever the scores
    tensor([1.3863])
    """
    shape = lists(policy)
    s_GK = shape.of(beta * log_ratio(policy.answers, reference.answers))
    q_GK = shape.of(scores / temperature, fill=-torch.inf).softmax(1)
    noise_GK = shape.mask_GK / shape.mask_GK.sum(1, keepdim=True)
    return -(q_GK * F.logsigmoid(s_GK) + noise_GK * F.logsigmoid(-s_GK)).sum(1)
