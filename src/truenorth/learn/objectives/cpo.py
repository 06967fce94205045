"""Contrastive preference optimisation: DPO with a uniform reference, anchored by imitation."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.types import Losses, Pair

LOGIC = [
    {"top": "w", "bottom": "l", "loss": "-logsigmoid(beta * rho)"},
    {"top": "w", "bottom": "~w", "loss": "-sft * logsigmoid(rho)", "probabilities": "per token"},
]


def cpo(policy: Pair, *, beta: float = 0.1, sft: float = 1.0, label_smoothing: float = 0.0) -> Losses:
    """(B,) -log sigma(beta * (log p(chosen) - log p(rejected))) + sft * NLL of the chosen answer per token.

    Args:
        sft: weight of the imitation (TRL's `cpo_alpha`); it takes the reference's place.
        label_smoothing: in [0, 0.5), as in `cdpo`.

    Pitfall: sums over tokens, so unequal lengths dominate and saturate it; `simpo` normalises.

    Source: Xu et al. 2024 (arXiv:2401.08417), eq. 5; TRL's CPO trainer, whose NLL is a mean over the
    batch's tokens instead of each answer's.

    >>> from truenorth.learn.worked import pair
    >>> cpo(pair([-1.0, -1.0], -4.0), beta=0.5)  # softplus(-0.5 * 2) + 1 nat a token
    tensor([1.3133])
    """
    u_B = beta * (policy.chosen.total - policy.rejected.total)
    loss_B = -(1 - label_smoothing) * F.logsigmoid(u_B) - label_smoothing * F.logsigmoid(-u_B)
    return loss_B - sft * policy.chosen.mean
