"""APO-down: both answers down, the rejected one more, for data worse than the model."""

from __future__ import annotations

import torch

from truenorth.learn.ratios import log_ratio, margin
from truenorth.learn.types import Losses, Pair

LOGIC = [
    {"top": "w", "bottom": "rw", "loss": "sigmoid(beta * rho)"},
    {"top": "w & rl", "bottom": "l & rw", "loss": "sigmoid(-beta * rho)"},
]


def apo_down(policy: Pair, reference: Pair, *, beta: float = 0.1) -> Losses:
    """(B,) sigma(beta * log-ratio of chosen) + 1 - sigma(beta * margin).

    Pitfall: it lowers the chosen answer too; only for data that the model already surpasses.

    Source: D'Oosterlinck et al. 2024 (arXiv:2408.06266), eq. 8; TRL's `apo_down`.

    >>> from truenorth.learn.worked import pair
    >>> apo_down(pair(-1.0, -4.0), pair(-2.0, -3.0), beta=1.0)  # sigma(1) + sigma(-2) = 0.73106 + 0.11920
    tensor([0.8503])
    """
    chosen_B = beta * log_ratio(policy.chosen, reference.chosen)
    return torch.sigmoid(chosen_B) + torch.sigmoid(-beta * margin(policy, reference))
