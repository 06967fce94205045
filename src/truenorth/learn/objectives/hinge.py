"""DPO with a hinge: the margin is enlarged until it is wide enough, and then left alone."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.ratios import margin
from truenorth.learn.types import Losses, Pair

LOGIC = {"top": "w & rl", "bottom": "l & rw", "loss": "relu(1 - beta * rho)"}


def hinge(policy: Pair, reference: Pair, *, beta: float = 0.1) -> Losses:
    """(B,) max(0, 1 - beta * margin), the margin being the gap of the log-ratios of chosen and rejected.

    Args:
        beta: 1 / beta nats is the margin at which a pair stops teaching.

    Pitfall: pairs past the margin have no gradient at all, so a run can stall while accuracy looks perfect.

    Source: TRL's `hinge`; the loss of SLiC (arXiv:2305.10425) on DPO's margin, in Tang et al. 2024
    (arXiv:2402.05749), table 1. The paper's own SLiC, without a reference, is `slic`.

    >>> from truenorth.learn.worked import pair
    >>> hinge(pair(-1.0, -4.0), pair(-2.0, -3.0), beta=0.25)  # margin 3 - 1 = 2: 1 - 0.5
    tensor([0.5000])
    """
    return F.relu(1 - beta * margin(policy, reference))
