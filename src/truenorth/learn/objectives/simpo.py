"""SimPO: the mean log-likelihood itself as the reward, with a target margin and no reference."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.types import Losses, Pair

LOGIC = {
    "top": "w & ml",
    "bottom": "l & mw",
    "loss": "-logsigmoid(beta * rho)",
    "margin": "-gamma / beta",
    "probabilities": "per token",
}


def simpo(policy: Pair, *, beta: float = 2.0, gamma: float = 1.0) -> Losses:
    """(B,) -log sigma(beta * gap - gamma), the gap of the per-token log-probs of chosen and rejected.

    Args:
        beta: 2 to 2.5, up to 10.
        gamma: target margin in units of reward (beta times nats per token); gamma / beta 0.3 to 0.8.

    Pitfall: nothing anchors it: learning rates of 1e-5 and above lead to repetition (3e-7 to 1e-6 work).
    TRL's CPO trainer adds its SFT term unless `cpo_alpha=0`.

    Source: Meng et al. 2024 (arXiv:2405.14734), eq. 6; TRL's CPO trainer, `loss_type="simpo"`.

    >>> from truenorth.learn.worked import pair
    >>> simpo(pair([-1.0, -1.0], -2.0), beta=2.0, gamma=1.0)  # 2 * (-1 - -2) - 1 = 1: softplus(-1)
    tensor([0.3133])
    """
    return -F.logsigmoid(beta * (policy.chosen.mean - policy.rejected.mean) - gamma)
