"""WPO: DPO in which pairs that the policy itself would write count more."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from truenorth.learn.ratios import margin
from truenorth.learn.types import Losses, Pair

LOGIC = {"top": "w & rl", "bottom": "l & rw", "loss": "-exp(mean_w + mean_l) * logsigmoid(beta * rho)"}


def wpo(policy: Pair, reference: Pair, *, beta: float = 0.1) -> Losses:
    """(B,) w * -log sigma(beta * margin), w = exp(mean log-prob of chosen + mean log-prob of rejected) <= 1.

    The weight carries no gradient.

    Pitfall: weights of answers from other models are tiny (2 nats a token each: 0.02), so raise the rate.
    This is the paper's unaligned weight; TRL divides each token's probability by sum_v p_v^2 ("sampled
    alignment"), which needs the whole distribution.

    Source: Zhou et al. 2024 (arXiv:2406.11827), eq. 2.

    >>> from truenorth.learn.worked import pair
    >>> import math
    >>> p = pair(math.log(0.5), math.log(0.25))
    >>> wpo(p, p)  # 1/8 log 2
    tensor([0.0866])
    """
    weight_B = torch.exp(policy.chosen.mean + policy.rejected.mean).detach()
    return weight_B * -F.logsigmoid(beta * margin(policy, reference))
