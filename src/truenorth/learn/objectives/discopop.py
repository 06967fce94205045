"""DiscoPOP: a loss that a language model found, logistic and exponential by turns."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from truenorth.learn.ratios import margin
from truenorth.learn.types import Losses, Pair

LOGIC = {
    "top": "w & rl",
    "bottom": "l & rw",
    "loss": "sigmoid(-beta * rho / tau) * -logsigmoid(beta * rho) + sigmoid(beta * rho / tau) * exp(-beta * rho)",
}


def discopop(policy: Pair, reference: Pair, *, beta: float = 0.05, tau: float = 0.05) -> Losses:
    """(B,) (1 - m) * -log sigma(u) + m * exp(-u), with u = beta * margin and m = sigma(u / tau).

    Args:
        tau: temperature of the blend (TRL's `discopop_tau`).

    Pitfall: not convex: for u in (-0.119, 0.072) its gradient lowers the margin, and training begins at 0.

    Source: Lu et al. 2024 (arXiv:2406.08414), eq. 5; TRL's `discopop`.

    >>> from truenorth.learn.worked import pair
    >>> discopop(pair(-1.0, -1.0), pair(-1.0, -1.0))  # m = 1/2: (log 2 + 1) / 2
    tensor([0.8466])
    """
    u_B = beta * margin(policy, reference)
    blend_B = torch.sigmoid(u_B / tau)
    return (1 - blend_B) * -F.logsigmoid(u_B) + blend_B * torch.exp(-u_B)
