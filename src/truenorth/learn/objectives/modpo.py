"""MODPO: the policy for one weighting of several objectives, by DPO with the other rewards as margin."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from truenorth.learn.ratios import margin as gap
from truenorth.learn.types import Losses, Pair

LOGIC = {
    "top": "w & rl & ml",
    "bottom": "l & rw & mw",
    "loss": "-logsigmoid(beta * rho / weight)",
    "margin": "-margin / beta",
}


def modpo(policy: Pair, reference: Pair, margin: Tensor, *, beta: float = 0.1, weight: float = 0.5) -> Losses:
    """(B,) -log sigma((beta * gap - margin) / weight); pairs are labelled for one objective, the margin has the others.

    Args:
        margin: (B,) sum over the other objectives j of w_j (R_j(chosen) - R_j(rejected)). A DPO model's
            implicit reward counts as R_j times its own beta.
        weight: w_0, of the objective that the labels are about; with the w_j it sums to 1. At least 0.1.

    Pitfall: one model per weighting; below 0.1 the loss explodes.

    Source: Zhou et al. 2023 (arXiv:2310.03708), eq. 8; the authors' code.

    >>> import torch
    >>> from truenorth.learn.worked import pair
    >>> modpo(pair(-1.0, -4.0), pair(-2.0, -3.0), torch.tensor([1.5]), beta=1.0)  # (2 - 1.5) / 0.5 = 1
    tensor([0.3133])
    """
    return -F.logsigmoid((beta * gap(policy, reference) - margin) / weight)
