"""ODPO: DPO with an offset, so that clearly better answers are set further apart."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from truenorth.learn.ratios import margin as gap
from truenorth.learn.types import Losses, Pair

LOGIC = {
    "top": "w & rl & ml",
    "bottom": "l & rw & mw",
    "loss": "-logsigmoid(beta * rho)",
    "margin": "-margin / beta",
}


def odpo(policy: Pair, reference: Pair, margin: Tensor, *, beta: float = 0.1) -> Losses:
    """(B,) -log sigma(beta * gap - margin), the gap being that of the log-ratios of chosen and rejected.

    Args:
        margin: (B,) by how much reward the chosen answer should win, 0 or more. The paper takes
            log(score_w - score_l).

    Pitfall: margins are in units of reward (beta times nats): scale scores before.

    Source: Amini et al. 2024 (arXiv:2402.10571), eq. 9.

    >>> import torch
    >>> from truenorth.learn.worked import pair
    >>> odpo(pair(-1.0, -4.0), pair(-2.0, -3.0), torch.tensor([1.0]), beta=1.0)  # 2 - 1: softplus(-1)
    tensor([0.3133])
    """
    return -F.logsigmoid(beta * gap(policy, reference) - margin)
