"""Length-normalised DPO: log-ratios per token, so that long answers do not dominate."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.ratios import log_ratio
from truenorth.learn.types import Losses, Pair

LOGIC = {
    "top": "w & rl",
    "bottom": "l & rw",
    "loss": "-logsigmoid(beta * rho)",
    "probabilities": "per token",
}


def ln_dpo(policy: Pair, reference: Pair, *, beta: float = 5.0) -> Losses:
    """(B,) -log sigma(beta * gap), the gap of the per-token log-ratios of chosen and rejected.

    Args:
        beta: 2 to 10. Not DPO's: a mean over n tokens needs n times the beta of a sum.

    Pitfall: with DPO's beta of 0.1 it is 50 to 500 times too weak, and seems not to learn.

    Source: Lambert et al. 2024, "Tulu 3" (arXiv:2411.15124), eq. 6; TRL's `sigmoid_norm`, open-instruct's
    `dpo_norm`.

    >>> from truenorth.learn.worked import pair
    >>> ln_dpo(pair([-1.0, -1.0], -4.0), pair([-2.0, -2.0], -3.0), beta=0.5)  # 1 - -1 = 2: softplus(-1)
    tensor([0.3133])
    """
    chosen_B = log_ratio(policy.chosen, reference.chosen) / policy.chosen.length
    rejected_B = log_ratio(policy.rejected, reference.rejected) / policy.rejected.length
    return -F.logsigmoid(beta * (chosen_B - rejected_B))
