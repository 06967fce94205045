"""AOT without pairs: sorted rewards of the good answers over sorted rewards of the bad ones."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.lists import pairs_of
from truenorth.learn.ratios import log_ratio
from truenorth.learn.types import Batch, Losses

LOGIC = "it sorts a batch, so its log-ratio mixes the answers of different prompts"


def aot_unpaired(
    policy: Batch, reference: Batch, *, beta: float = 0.1, label_smoothing: float = 0.0
) -> Losses:
    """(G,) -log sigma(beta * (r_(i) of chosen - r_(i) of rejected)), each pool of log-ratios sorted by itself.

    Each group is (good, bad); which bad answer stands beside which good one does not matter. The losses
    are in sorted order, so examples' weights must all be 1.

    Pitfall: a batch of one is DPO; use 64 pairs or more.

    Source: Melnyk et al. 2024 (arXiv:2406.05882), section 3.2; TRL's `aot_unpaired`.

    >>> from truenorth.learn.worked import batch
    >>> flat = batch((0.0, 0.0), (0.0, 0.0))
    >>> aot_unpaired(batch((-1.0, -2.0), (-4.0, -6.0)), flat, beta=1.0)  # (-4, -1) over (-6, -2): 2 and 1
    tensor([0.1269, 0.3133])
    """
    new, old = pairs_of(policy), pairs_of(reference)
    good_G = log_ratio(new.chosen, old.chosen).sort().values
    bad_G = log_ratio(new.rejected, old.rejected).sort().values
    u_G = beta * (good_G - bad_G)
    return -(1 - label_smoothing) * F.logsigmoid(u_G) - label_smoothing * F.logsigmoid(-u_G)
