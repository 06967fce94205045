"""Robust DPO: the loss whose expectation over flipped labels is the clean DPO loss."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.ratios import margin
from truenorth.learn.types import Losses, Pair

LOGIC = {
    "top": "w & rl",
    "bottom": "l & rw",
    "loss": "(-(1 - label_smoothing) * logsigmoid(beta * rho) + label_smoothing * logsigmoid(-beta * rho))"
    " / (1 - 2 * label_smoothing)",
}


def robust_dpo(policy: Pair, reference: Pair, *, beta: float = 0.1, label_smoothing: float = 0.1) -> Losses:
    """(B,) (-(1 - eps) log sigma(beta * margin) + eps log sigma(-beta * margin)) / (1 - 2 eps).

    Args:
        label_smoothing: eps in [0, 0.5), the share of labels taken to be flipped, each independently.

    Pitfall: not bounded below: for a large margin the slope in beta * margin tends to -eps / (1 - 2 eps)
    instead of 0, so stop early or clip.

    Source: Ray Chowdhury et al. 2024 (arXiv:2403.00409), eq. 12; TRL's `robust`.

    >>> from truenorth.learn.worked import pair
    >>> robust_dpo(pair(-1.0, -1.0), pair(-2.0, -2.0))  # margin 0: (0.9 - 0.1) log 2 / 0.8
    tensor([0.6931])
    """
    u_B = beta * margin(policy, reference)
    kept_B, flipped_B = -F.logsigmoid(u_B), -F.logsigmoid(-u_B)
    return ((1 - label_smoothing) * kept_B - label_smoothing * flipped_B) / (1 - 2 * label_smoothing)
