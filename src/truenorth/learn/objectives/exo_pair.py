"""EXO on pairs: the reverse KL to the labels' distribution, as reinforcement learning has it."""

from __future__ import annotations

import math

import torch.nn.functional as F

from truenorth.learn.ratios import margin
from truenorth.learn.types import Losses, Pair

LOGIC = {
    "top": "w & rl",
    "bottom": "l & rw",
    "loss": "sigmoid(beta * rho) * (logsigmoid(beta * rho) - log(1 - label_smoothing))"
    " + sigmoid(-beta * rho) * (logsigmoid(-beta * rho) - log(label_smoothing))",
}


def exo_pair(policy: Pair, reference: Pair, *, beta: float = 0.1, label_smoothing: float = 1e-3) -> Losses:
    """(B,) KL(p || q), p = (sigma(u), sigma(-u)) with u = beta * margin, and q = (1 - eps, eps).

    Args:
        label_smoothing: eps, in (0, 0.5); 0 would make the KL infinite.

    Pitfall: the gradient vanishes for pairs that are confidently wrong: begin from a policy that is not.

    Source: Ji et al. 2024 (arXiv:2402.00856), eq. 16; TRL's `exo_pair`. Lists with scores: `exo`.

    >>> from truenorth.learn.worked import pair
    >>> exo_pair(pair(-1.0, -1.0), pair(-1.0, -1.0), label_smoothing=0.25)  # 1/2 log(2/3) + 1/2 log 2
    tensor([0.1438])
    """
    u_B = beta * margin(policy, reference)
    good_B, bad_B = F.logsigmoid(u_B), F.logsigmoid(-u_B)
    good_loss_B = good_B.exp() * (good_B - math.log1p(-label_smoothing))
    return good_loss_B + bad_B.exp() * (bad_B - math.log(label_smoothing))
