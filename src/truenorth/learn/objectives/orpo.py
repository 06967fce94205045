"""ORPO: imitation of the chosen answer and an odds-ratio penalty in one stage, without a reference."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.ratios import log1mexp
from truenorth.learn.types import Losses, Pair

LOGIC = [
    {
        "top": "w & ~l",
        "bottom": "l & ~w",
        "loss": "-beta * logsigmoid(rho)",
        "probabilities": "per token",
    },
    {"top": "w", "bottom": "~w", "loss": "-sft * logsigmoid(rho)", "probabilities": "per token"},
]


def orpo(policy: Pair, *, beta: float = 0.1, sft: float = 1.0) -> Losses:
    """(B,) -beta * log sigma(log odds(chosen) - log odds(rejected)) + sft * NLL, all per token; odds p / (1 - p).

    Args:
        beta: weight of the odds-ratio term (lambda of the paper).
        sft: weight of the chosen answer's negative log-likelihood per token; 0 is the odds ratio alone.

    Pitfall: memorised answers (p near 1) blow up the odds; p is held below exp(-1e-7). The NLL is of the
    answer; TRL and the authors' code include the prompt's tokens, which differs unless the prompt is BOS alone.

    Source: Hong et al. 2024 (arXiv:2403.07691), eq. 6 and 7; TRL's ORPO trainer.

    >>> from truenorth.learn.worked import pair
    >>> import math
    >>> p = pair(math.log(0.75), math.log(0.25))  # odds 3 and 1/3, ratio 9: -log(9 / 10) = 0.10536
    >>> orpo(p, beta=1.0, sft=0.0)
    tensor([0.1054])
    """
    chosen_B, rejected_B = policy.chosen.mean, policy.rejected.mean
    odds_B = (chosen_B - rejected_B) - (log1mexp(chosen_B) - log1mexp(rejected_B))
    return -beta * F.logsigmoid(odds_B) - sft * chosen_B
