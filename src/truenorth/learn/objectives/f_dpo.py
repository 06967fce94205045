"""f-DPO: DPO from another divergence than the reverse KL."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from truenorth.base import UserError
from truenorth.learn.ratios import log_ratio
from truenorth.learn.types import Losses, Pair

LOGIC = "other divergences than the reverse KL have no log-ratio of model counts (with reverse_kl it is DPO)"


Divergence = Literal["reverse_kl", "forward_kl", "js_divergence", "alpha_divergence"]


def f_dpo(
    policy: Pair,
    reference: Pair,
    *,
    beta: float = 0.1,
    divergence: Divergence = "js_divergence",
    alpha: float = 0.5,
) -> Losses:
    """(B,) -log sigma(beta * (f'(t_w) - f'(t_l))), t = pi / pi_ref of chosen and rejected.

    Args:
        divergence: `reverse_kl` is DPO; the others as TRL's `f_divergence_type` names them.
        alpha: of `alpha_divergence` (TRL's `f_alpha_divergence_coef`); 1 is the reverse KL, 0 the forward.

    Pitfall: rewards are on another scale for each divergence; exponents of long answers reach their clamp.

    Source: Wang et al. 2023 (arXiv:2309.16240), table 1; TRL 1.16 for the clamp (80) and the constants.

    >>> from truenorth.learn.worked import pair
    >>> f_dpo(pair(-2.0, -3.0), pair(-2.0, -2.0))  # f'(1) = 0, f'(e^-1) = log 2 + log sigma(-1) = -0.62011
    tensor([0.6626])
    """
    chosen_B = _slope(log_ratio(policy.chosen, reference.chosen), divergence, alpha)
    rejected_B = _slope(log_ratio(policy.rejected, reference.rejected), divergence, alpha)
    return -F.logsigmoid(beta * (chosen_B - rejected_B))


def _slope(ratio_B: Tensor, divergence: Divergence, alpha: float) -> Tensor:
    """f'(t) at t = exp(ratio)."""
    if divergence == "forward_kl":
        return -torch.expm1(-ratio_B)
    if divergence == "js_divergence":
        return math.log(2) + F.logsigmoid(ratio_B)
    if divergence == "alpha_divergence" and abs(alpha - 1) >= 1e-6:
        return torch.expm1(((alpha - 1) * ratio_B).clamp(max=80)) / (alpha - 1)
    if divergence in ("reverse_kl", "alpha_divergence"):
        return ratio_B
    raise UserError(f"no divergence {divergence!r}", expected="one of " + ", ".join(get_args(Divergence)))
