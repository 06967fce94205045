"""TDPO1: DPO that also compares how far the policy's token distributions have moved on either answer."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.ratios import margin
from truenorth.learn.types import Losses, Pair

LOGIC = "its divergence sums over the whole vocabulary, not over the two answers"


def tdpo1(policy: Pair, reference: Pair, kl: Pair, *, beta: float = 0.1) -> Losses:
    """(B,) -log sigma(beta * (margin - (D_l - D_w))), D = sum over tokens of KL(reference || policy).

    Args:
        kl: that divergence at each token, in nats, over the whole vocabulary; it carries gradient.

    Pitfall: full distributions of both models, so the head runs over every completion token twice.

    Source: Zeng et al. 2024 (arXiv:2404.11999), eq. 16; the authors' code.

    >>> from truenorth.learn.worked import pair
    >>> tdpo1(pair(-1.0, -4.0), pair(-2.0, -3.0), pair(0.5, 1.5), beta=1.0)  # 2 - (1.5 - 0.5) = 1
    tensor([0.3133])
    """
    apart_B = kl.rejected.total - kl.chosen.total
    return -F.logsigmoid(beta * (margin(policy, reference) - apart_B))
