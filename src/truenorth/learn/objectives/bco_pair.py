"""BCO on pairs: chosen answers are classified as good, rejected ones as bad, each on its own."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.ratios import log_ratio
from truenorth.learn.types import Losses, Pair

LOGIC = [
    {"top": "w", "bottom": "rw", "loss": "-logsigmoid(beta * rho)"},
    {"top": "rl", "bottom": "l", "loss": "-logsigmoid(beta * rho)"},
]


def bco_pair(policy: Pair, reference: Pair, *, beta: float = 0.1) -> Losses:
    """(B,) -log sigma(beta * log-ratio of chosen) - log sigma(-beta * log-ratio of rejected).

    Pitfall: an upper bound of DPO, without the reward shift that tightens it; `bco` has the shift.

    Source: Jung et al. 2024 (arXiv:2404.04656), eq. 9; TRL's `bco_pair`.

    >>> from truenorth.learn.worked import pair
    >>> bco_pair(pair(-1.0, -4.0), pair(-2.0, -3.0), beta=1.0)  # softplus(-1) twice
    tensor([0.6265])
    """
    chosen_B = beta * log_ratio(policy.chosen, reference.chosen)
    rejected_B = beta * log_ratio(policy.rejected, reference.rejected)
    return -F.logsigmoid(chosen_B) - F.logsigmoid(-rejected_B)
