"""SACPO in one step: safety labels on top of a helpful model, with the plain model as reference."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from truenorth.learn.ratios import margin as gap
from truenorth.learn.types import Losses, Pair

LOGIC = {
    "top": "w & rl & ml",
    "bottom": "l & rw & mw",
    "loss": "-logsigmoid(beta * rho / safety)",
    "margin": "-helpful_margin",
}


def sacpo(
    policy: Pair, reference: Pair, helpful_margin: Tensor, *, beta: float = 0.1, safety: float = 1.0
) -> Losses:
    """(B,) -log sigma(beta / safety * (gap - helpful_margin)); pairs are labelled for safety.

    Args:
        helpful_margin: (B,) the same gap of log-ratios, of the helpful (stage 1) model to the same
            reference: nats, without beta. It is what makes this stage 2 of SACPO.
        safety: lambda, the weight of safety against helpfulness.

    Pitfall: with the stage 1 model itself as `reference` the margin is 0 and this is `dpo` with
    beta / safety, which is how the authors run it. Its errors of stage 1 are inherited.

    Source: Wachi et al. 2024 (arXiv:2404.11049), section 4, rewritten with one reference; P-SACPO is a
    linear merge of the two stages.

    >>> import torch
    >>> from truenorth.learn.worked import pair
    >>> sacpo(pair(-1.0, -4.0), pair(-2.0, -3.0), torch.tensor([1.0]), beta=1.0)  # 2 - 1: softplus(-1)
    tensor([0.3133])
    """
    return -F.logsigmoid(beta / safety * (gap(policy, reference) - helpful_margin))
