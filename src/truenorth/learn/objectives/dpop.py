"""DPO-positive: DPO that pays for every nat by which the chosen answer became less likely."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.ratios import log_ratio, margin
from truenorth.learn.types import Losses, Pair

LOGIC = "its penalty is on where the chosen answer fell and off elsewhere, and counts the same answer `penalty` times"


def dpop(policy: Pair, reference: Pair, *, beta: float = 0.3, penalty: float = 50.0) -> Losses:
    """(B,) -log sigma(beta * (margin - penalty * max(0, -log-ratio of chosen))).

    Args:
        penalty: lambda of the paper, 5 to 500.

    Pitfall: where the chosen answer has fallen, the penalty dwarfs the preference; lower it if margins stall.

    Source: Pal et al. 2024, "Smaug" (arXiv:2402.13228), eq. 3.

    >>> from truenorth.learn.worked import pair
    >>> dpop(pair(-3.0, -6.0), pair(-2.0, -3.0), beta=1.0, penalty=1.0)  # 2 - 1 = 1: softplus(-1)
    tensor([0.3133])
    """
    fallen_B = F.relu(-log_ratio(policy.chosen, reference.chosen))
    return -F.logsigmoid(beta * (margin(policy, reference) - penalty * fallen_B))
