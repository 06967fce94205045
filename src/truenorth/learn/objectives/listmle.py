"""ListMLE: the likelihood of the order of the scores under the policy's implicit rewards."""

from __future__ import annotations

import torch
from torch import Tensor

from truenorth.learn.lists import lists
from truenorth.learn.ratios import log_ratio
from truenorth.learn.types import Group, Losses

LOGIC = "it ranks a list, and the theory is about pairs (two answers are DPO)"


def listmle(policy: Group, reference: Group, scores: Tensor, *, beta: float = 0.05) -> Losses:
    """(G,) -sum_k (s_(k) - log sum_{i >= k} exp s_(i)), (k) the k-th best by score; s = beta * log-ratio.

    Args:
        scores: (B,) of each completion; only their order counts, and equal ones keep the order they stand in.

    Pitfall: ties are broken arbitrarily and taught as if they were preferences; drop them.

    Source: Xia et al. 2008, "Listwise approach to learning to rank", eq. 7, on DPO's reward as in Liu et
    al. 2024 (arXiv:2402.01878), table 1. Completions already in order: `plackett_luce`.

    >>> from truenorth.learn.worked import group
    >>> same = group(-1.0, -2.0, -3.0, -4.0)
    >>> listmle(same, same, torch.tensor([1.0, 4.0, 2.0, 3.0]))  # log 4! = log 24
    tensor([3.1781])
    """
    shape = lists(policy)
    order_GK = shape.of(scores, fill=-torch.inf).argsort(dim=1, descending=True, stable=True)
    s_GK = shape.of(beta * log_ratio(policy.answers, reference.answers), fill=-torch.inf).gather(1, order_GK)
    below_GK = s_GK.flip(1).logcumsumexp(1).flip(1)
    return (below_GK - s_GK).masked_fill(~shape.mask_GK, 0.0).sum(1)
