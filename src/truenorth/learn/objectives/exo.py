"""EXO: the reverse KL from the policy, normalised over K answers, to the softmax of their scores."""

from __future__ import annotations

import torch
from torch import Tensor

from truenorth.learn.lists import lists
from truenorth.learn.ratios import log_ratio
from truenorth.learn.types import Group, Losses

LOGIC = "it matches a distribution over a list, and the theory is about pairs (`exo_pair` is its pair form)"


def exo(
    policy: Group, reference: Group, scores: Tensor, *, beta: float = 0.5, temperature: float = 0.5
) -> Losses:
    """(G,) KL(p || q), with p = softmax(beta * log-ratio) and q = softmax(scores / temperature).

    Args:
        scores: (B,) of each completion (rewards); larger is better.
        beta, temperature: beta_pi and beta_r of the paper.

    Pitfall: nearly no gradient for lists that are confidently in the wrong order.

    Source: Ji et al. 2024 (arXiv:2402.00856), eq. 14. Pairs with labels: `exo_pair`. `infonca` is the
    forward direction.

    >>> from truenorth.learn.worked import group
    >>> same, scores = group(-1.0, -1.0), torch.tensor([0.0, 0.0])
    >>> new = group(0.0, -1.0986123)  # log 3 apart: p = (3/4, 1/4) against q = (1/2, 1/2)
    >>> exo(new, same, scores, beta=1.0)  # 3/4 log 3/2 + 1/4 log 1/2
    tensor([0.1308])
    """
    shape = lists(policy)
    p_GK = shape.of(beta * log_ratio(policy.answers, reference.answers), fill=-torch.inf).log_softmax(1)
    q_GK = shape.of(scores / temperature, fill=-torch.inf).log_softmax(1)
    p_GK, q_GK = (x.masked_fill(~shape.mask_GK, 0.0) for x in (p_GK, q_GK))
    return (p_GK.exp() * (p_GK - q_GK)).sum(1)
