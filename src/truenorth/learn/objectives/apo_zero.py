"""APO-zero: chosen answers up and rejected ones down, for data better than the model."""

from __future__ import annotations

import torch

from truenorth.learn.ratios import log_ratio
from truenorth.learn.types import Losses, Pair

LOGIC = [
    {"top": "w", "bottom": "rw", "loss": "sigmoid(-beta * rho)"},
    {"top": "rl", "bottom": "l", "loss": "sigmoid(-beta * rho)"},
]


def apo_zero(policy: Pair, reference: Pair, *, beta: float = 0.1) -> Losses:
    """(B,) 1 - sigma(beta * log-ratio of chosen) + sigma(beta * log-ratio of rejected).

    Pitfall: bounded, so badly wrong pairs hardly teach. If the model is better than the data: `apo_down`.

    Source: D'Oosterlinck et al. 2024 (arXiv:2408.06266), eq. 7; TRL's `apo_zero`.

    >>> from truenorth.learn.worked import pair
    >>> apo_zero(pair(-1.0, -4.0), pair(-2.0, -3.0), beta=1.0)  # 2 sigma(-1)
    tensor([0.5379])
    """
    chosen_B = beta * log_ratio(policy.chosen, reference.chosen)
    rejected_B = beta * log_ratio(policy.rejected, reference.rejected)
    return torch.sigmoid(-chosen_B) + torch.sigmoid(rejected_B)
