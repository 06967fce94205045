"""SafeDPO: preference pairs put right by safety labels, with a margin between safe and unsafe."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from truenorth.learn.ratios import margin
from truenorth.learn.types import Losses, Pair

LOGIC = "safety labels swap or drop its pairs before it is DPO with a margin (on safe answers it is DPO)"


def safe_dpo(
    policy: Pair, reference: Pair, unsafe: Tensor, *, beta: float = 0.1, delta: float = 2.0
) -> Losses:
    """(B,) -log sigma(beta * margin - delta * (only the loser is unsafe)), after the safe answer was made to win.

    An unsafe chosen and a safe rejected answer change places. Where both are unsafe, the loss is 0.

    Args:
        unsafe: (B, 2) 1 where the chosen, the rejected answer is unsafe.
        delta: extra margin in units of reward; 0 to 10.

    Pitfall: pairs dropped here still count in the average: filter them out of the data, and count them.
    Refusing everything satisfies it; measure over-refusal.

    Source: Kim et al. 2025 (arXiv:2505.20065), eq. 12, read in a reimplementation.

    >>> from truenorth.learn.worked import pair
    >>> p = pair(-1.0, -1.0)
    >>> safe_dpo(p, p, torch.tensor([[0.0, 1.0]]), delta=1.0)  # softplus(1)
    tensor([1.3133])
    """
    bad_w, bad_l = unsafe[:, 0] > 0, unsafe[:, 1] > 0
    swap_B = bad_w & ~bad_l
    margin_B = torch.where(swap_B, -1.0, 1.0) * margin(policy, reference)
    loss_B = -F.logsigmoid(beta * margin_B - delta * (bad_w ^ bad_l))
    return torch.where(bad_w & bad_l, torch.zeros_like(loss_B), loss_B)
