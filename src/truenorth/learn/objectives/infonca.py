"""InfoNCA: the softmax of K scores is matched by the softmax of the policy's implicit rewards."""

from __future__ import annotations

import torch
from torch import Tensor

from truenorth.learn.lists import lists
from truenorth.learn.ratios import log_ratio
from truenorth.learn.types import Group, Losses

LOGIC = "it ranks a list, and the theory is about pairs (two answers with certain labels are DPO)"


def infonca(
    policy: Group, reference: Group, scores: Tensor, *, beta: float = 0.01, temperature: float = 0.1
) -> Losses:
    """(G,) -sum_i q_i log softmax(s)_i, with q = softmax(scores / temperature) and s = beta * log-ratio.

    Args:
        scores: (B,) of each completion; larger is better.
        temperature: towards 0, the best answer takes all (the release divides by 1e-4, and breaks ties).

    Pitfall: only ranks: all K likelihoods may fall together; `nca` holds them.

    Source: Chen et al. 2024 (arXiv:2402.05369), eq. 10. With temperature 1 it is `listnet`.

    >>> from truenorth.learn.worked import group
    >>> same = group(-1.0, -2.0, -3.0, -4.0)
    >>> infonca(same, same, torch.tensor([4.0, 1.0, 2.0, 3.0]))  # log 4 whatever the scores
    tensor([1.3863])
    """
    shape = lists(policy)
    s_GK = shape.of(beta * log_ratio(policy.answers, reference.answers), fill=-torch.inf)
    q_GK = shape.of(scores / temperature, fill=-torch.inf).softmax(1)
    return -(q_GK * s_GK.log_softmax(1).masked_fill(~shape.mask_GK, 0.0)).sum(1)
