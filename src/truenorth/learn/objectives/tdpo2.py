"""TDPO2: TDPO1 with the chosen answer's divergence held still and the term's weight free."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.ratios import margin
from truenorth.learn.types import Losses, Pair

LOGIC = "its divergence sums over the whole vocabulary, not over the two answers"


def tdpo2(policy: Pair, reference: Pair, kl: Pair, *, beta: float = 0.1, alpha: float = 0.5) -> Losses:
    """(B,) -log sigma(beta * (margin - alpha * (D_l - D_w))), D = sum of KL(reference || policy), D_w fixed.

    Args:
        kl: that divergence at each token, in nats, over the whole vocabulary; that of the rejected answer
            carries gradient.
        alpha: 0 is DPO.

    Pitfall: full distributions of both models, so the head runs over every completion token twice.

    Source: Zeng et al. 2024 (arXiv:2404.11999), eq. 17; the authors' code.

    >>> from truenorth.learn.worked import pair
    >>> tdpo2(pair(-1.0, -4.0), pair(-2.0, -3.0), pair(0.5, 2.5), beta=1.0, alpha=0.5)  # 2 - 0.5 * 2 = 1
    tensor([0.3133])
    """
    apart_B = kl.rejected.total - kl.chosen.total.detach()
    return -F.logsigmoid(beta * (margin(policy, reference) - alpha * apart_B))
