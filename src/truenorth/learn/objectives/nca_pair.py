"""NCA on pairs: noise-contrastive estimation, which also bounds each likelihood by itself."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.ratios import log_ratio
from truenorth.learn.types import Losses, Pair

LOGIC = [
    {"top": "w", "bottom": "rw", "loss": "-logsigmoid(beta * rho) - 0.5 * logsigmoid(-beta * rho)"},
    {"top": "rl", "bottom": "l", "loss": "-0.5 * logsigmoid(beta * rho)"},
]


def nca_pair(policy: Pair, reference: Pair, *, beta: float = 0.1) -> Losses:
    """(B,) -log sigma(s_w) - 1/2 log sigma(-s_w) - 1/2 log sigma(-s_l), with s = beta * log-ratio.

    Pitfall: the target of s_w is finite (log 2 for certain labels), so margins stay smaller than DPO's.

    Source: Chen et al. 2024 (arXiv:2402.05369), eq. 12; TRL's `nca_pair`. Lists with scores: `nca`.

    >>> from truenorth.learn.worked import pair
    >>> nca_pair(pair(-2.0, -3.0), pair(-2.0, -3.0))  # s = 0: 2 log 2
    tensor([1.3863])
    """
    chosen_B = beta * log_ratio(policy.chosen, reference.chosen)
    rejected_B = beta * log_ratio(policy.rejected, reference.rejected)
    return -F.logsigmoid(chosen_B) - 0.5 * F.logsigmoid(-chosen_B) - 0.5 * F.logsigmoid(-rejected_B)
