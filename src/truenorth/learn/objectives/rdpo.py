"""Length-regularised DPO: each token costs, so that mere length is not preferred."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.ratios import margin
from truenorth.learn.types import Losses, Pair

LOGIC = {
    "top": "w & rl & ml",
    "bottom": "l & rw & mw",
    "loss": "-logsigmoid(beta * rho)",
    "margin": "alpha * (length_w - length_l) / beta",
}


def rdpo(policy: Pair, reference: Pair, *, beta: float = 0.1, alpha: float = 0.01) -> Losses:
    """(B,) -log sigma(beta * margin + alpha * (|chosen| - |rejected|)), lengths in tokens.

    Args:
        alpha: price of a token in units of reward, 0.005 to 0.05. Above 0, pairs whose chosen answer is the
            longer one teach less.

    Pitfall: alpha is per token: 300 extra tokens at 0.05 are 15, which saturates the sigmoid.

    Source: Park et al. 2024, "Disentangling length from quality in DPO" (arXiv:2403.19159). Its sign is
    printed both ways in secondary sources; this one follows from reward - alpha * length, and is tested.

    >>> from truenorth.learn.worked import pair
    >>> rdpo(pair([-1.0, -1.0], -2.0), pair([-1.0, -1.0], -2.0), alpha=1.0)  # margin 0, 1 token: softplus(-1)
    tensor([0.3133])
    """
    longer_B = policy.chosen.length - policy.rejected.length
    return -F.logsigmoid(beta * margin(policy, reference) + alpha * longer_B)
