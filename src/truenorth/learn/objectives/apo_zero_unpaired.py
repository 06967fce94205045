"""APO-zero on single answers: good ones up, bad ones down; KTO without its reference point."""

from __future__ import annotations

import torch
from torch import Tensor

from truenorth.learn.ratios import log_ratio
from truenorth.learn.types import Logps, Losses

LOGIC = "it judges single answers, and the theory is about pairs (`apo_zero` is its pair form)"


def apo_zero_unpaired(
    policy: Logps,
    reference: Logps,
    label: Tensor,
    *,
    beta: float = 0.1,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> Losses:
    """(B,) weight * (1 - sigma(beta * log-ratio)) for a good answer, weight * sigma(beta * log-ratio) for a bad one.

    Args:
        label: (B,) above 0 for a good answer.

    Pitfall: bounded, so badly wrong answers hardly teach.

    Source: D'Oosterlinck et al. 2024 (arXiv:2408.06266), eq. 7, unpaired; TRL's KTO trainer.

    >>> from truenorth.learn.worked import logps
    >>> apo_zero_unpaired(logps(-1.0, -1.0), logps(-2.0, -2.0), torch.tensor([1.0, 0.0]), beta=1.0)
    tensor([0.2689, 0.7311])
    """
    good_B = label > 0
    sign_B = torch.where(good_B, 1.0, -1.0)
    weight_B = torch.where(good_B, desirable_weight, undesirable_weight)
    return weight_B * torch.sigmoid(-sign_B * beta * log_ratio(policy, reference))
