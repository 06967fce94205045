"""SPPO with certain labels: each log-ratio is moved to its own target, not only their gap."""

from __future__ import annotations

from truenorth.learn.ratios import log_ratio
from truenorth.learn.types import Losses, Pair

LOGIC = [
    {"top": "w", "bottom": "rw", "loss": "(rho - 0.5 / beta) ** 2"},
    {"top": "rl", "bottom": "l", "loss": "(rho - 0.5 / beta) ** 2"},
]


def sppo_hard(policy: Pair, reference: Pair, *, beta: float = 0.1) -> Losses:
    """(B,) (r_w - 1 / (2 beta))^2 + (r_l + 1 / (2 beta))^2, r the log-ratios of chosen and rejected.

    Args:
        beta: 1 / (2 * beta) nats is how far each log-ratio is moved; the paper's 0.001 asks for 500.

    Pitfall: at the paper's beta the loss is near 1e6: clip gradients, keep sums in float32.

    Source: Wu et al. 2024 (arXiv:2405.00675), eq. 4.7 with P of 1 and 0; TRL's `sppo_hard` (the authors'
    code halves it). Estimated win rates: `sppo`.

    >>> from truenorth.learn.worked import pair
    >>> sppo_hard(pair(-1.0, -4.0), pair(-2.0, -3.0), beta=0.25)  # (1 - 2)^2 + (-1 + 2)^2
    tensor([2.])
    """
    chosen_B = log_ratio(policy.chosen, reference.chosen)
    rejected_B = log_ratio(policy.rejected, reference.rejected)
    return (chosen_B - 0.5 / beta) ** 2 + (rejected_B + 0.5 / beta) ** 2
