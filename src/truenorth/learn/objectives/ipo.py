"""Identity preference optimisation: a squared loss on the margin, whose optimum stays finite."""

from __future__ import annotations

from typing import Literal

from truenorth.learn.ratios import log_ratio
from truenorth.learn.types import Losses, Pair

LOGIC = {
    "top": "w & rl",
    "bottom": "l & rw",
    "loss": "(rho - 1 / (2 * beta)) ** 2",
    "probabilities": "per token",
}


def ipo(
    policy: Pair, reference: Pair, *, beta: float = 1.0, normalise: Literal["token", "sum"] = "token"
) -> Losses:
    """(B,) (gap - 1 / (2 * beta))^2; the gap of the log-ratios of chosen and rejected, per token or summed.

    Args:
        beta: tau of the paper; the target gap is 1 / (2 * beta) nats, per token or per answer. 0.5 to 2 per
            token (TRL's default of 0.1 asks for 5 nats a token, which no model reaches); 0.1 for sums.
        normalise: `token` divides each log-ratio by its answer's tokens, as TRL 1.16 does and the authors
            confirmed to it; `sum` is the formula as printed, and the DPO authors' code.

    Pitfall: a pair past the target is pulled back; summed over long answers the squares reach 1e4.

    Source: Azar et al. 2023 (arXiv:2310.12036), eq. 17.

    >>> from truenorth.learn.worked import pair
    >>> ipo(pair([-1.0, -1.0], -4.0), pair([-2.0, -2.0], -3.0), beta=1.0)  # 2 / 2 - -1 / 1 = 2; (2 - 0.5)^2
    tensor([2.2500])
    """
    chosen_B = log_ratio(policy.chosen, reference.chosen)
    rejected_B = log_ratio(policy.rejected, reference.rejected)
    if normalise == "token":
        chosen_B, rejected_B = chosen_B / policy.chosen.length, rejected_B / policy.rejected.length
    return (chosen_B - rejected_B - 1 / (2 * beta)) ** 2
