"""LD-DPO: tokens past the shorter answer's length count less, so that length is not the lesson."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from truenorth.learn.types import Logps, Losses, Pair

LOGIC = {
    "top": "w & rl",
    "bottom": "l & rw",
    "loss": "-logsigmoid(beta * rho)",
    "probabilities": "with tokens past the common length counted alpha times",
}


def ld_dpo(policy: Pair, reference: Pair, *, beta: float = 0.1, alpha: float = 0.5) -> Losses:
    """(B,) -log sigma(beta * margin), where tokens past the pair's common length count alpha times.

    Args:
        alpha: in [0, 1] (TRL's `ld_alpha`); 1 is DPO, 0 forgets the tail. 0.3 to 0.6.

    Pitfall: at 0 nobody is taught where to end the longer answer.

    Source: Liu et al. 2024 (arXiv:2409.06411), eq. 10; TRL's `ld_alpha`.

    >>> from truenorth.learn.worked import pair
    >>> flat = pair([0.0, 0.0, 0.0], 0.0)
    >>> ld_dpo(pair([-1.0, -1.0, -1.0], -3.0), flat, beta=1.0, alpha=0.5)  # (-1 - 0.5 * 2) + 3 = 1
    tensor([0.3133])
    """
    shared_B = torch.minimum(policy.chosen.length, policy.rejected.length)

    def ratio(new: Logps, old: Logps) -> Tensor:
        place_T = torch.arange(new.token_BT.shape[1], device=new.token_BT.device)
        weight_BT = torch.where(place_T < shared_B[:, None], 1.0, alpha)
        return ((new.token_BT - old.token_BT) * weight_BT).sum(1)

    gap_B = ratio(policy.chosen, reference.chosen) - ratio(policy.rejected, reference.rejected)
    return -F.logsigmoid(beta * gap_B)
