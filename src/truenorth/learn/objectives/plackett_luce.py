"""DPO on full rankings: each answer is chosen, in turn, over all that rank below it."""

from __future__ import annotations

import torch

from truenorth.learn.lists import lists
from truenorth.learn.ratios import log_ratio
from truenorth.learn.types import Group, Losses

LOGIC = "it ranks a list, and the theory is about pairs (two answers are DPO)"


def plackett_luce(policy: Group, reference: Group, *, beta: float = 0.1) -> Losses:
    """(G,) -sum_k (s_k - log sum_{i >= k} exp s_i), with s = beta * log-ratio, completions from best to worst.

    Pitfall: log K! at the reference, so groups of unequal size weigh unequally. Scores instead of an order:
    `listmle`.

    Source: Rafailov et al. 2023 (arXiv:2305.18290), eq. 18 and appendix A.3.

    >>> from truenorth.learn.worked import group
    >>> same = group(-1.0, -2.0, -3.0, -4.0)
    >>> plackett_luce(same, same)  # log 4! = log 24
    tensor([3.1781])
    """
    shape = lists(policy)
    s_GK = shape.of(beta * log_ratio(policy.answers, reference.answers), fill=-torch.inf)
    below_GK = s_GK.flip(1).logcumsumexp(1).flip(1)
    return (below_GK - s_GK).masked_fill(~shape.mask_GK, 0.0).sum(1)
