"""AOT: the distribution of chosen rewards over a batch is made to dominate that of rejected ones."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.lists import pairs_of
from truenorth.learn.types import Batch, Losses

LOGIC = "it sorts a batch, so its log-ratio mixes the answers of different prompts"


def aot(policy: Batch, reference: Batch, *, beta: float = 0.1, label_smoothing: float = 0.0) -> Losses:
    """(G,) -log sigma(beta * (a_(i) - r_(i))): sorted gaps of the policy over sorted gaps of the reference.

    A gap is log p(chosen) - log p(rejected). Each group is a pair (chosen, rejected). The losses are in
    sorted order and belong to no single pair, so examples' weights must all be 1.

    Args:
        label_smoothing: in [0, 0.5), as in `cdpo`.

    Pitfall: a batch of one is DPO; use 64 pairs or more.

    Source: Melnyk et al. 2024 (arXiv:2406.05882), algorithm 1; TRL's `aot`. Unpaired pools: `aot_unpaired`.

    >>> from truenorth.learn.worked import batch
    >>> new, old = batch((-1.0, -4.0), (-4.0, -1.0)), batch((-3.0, -1.0), (-1.0, -2.0))
    >>> aot(new, old, beta=1.0)  # gaps sorted: (-3, 3) over (-2, 1): softplus(1), softplus(-2)
    tensor([1.3133, 0.1269])
    """
    new, old = pairs_of(policy), pairs_of(reference)
    new_G = (new.chosen.total - new.rejected.total).sort().values
    old_G = (old.chosen.total - old.rejected.total).sort().values
    u_G = beta * (new_G - old_G)
    return -(1 - label_smoothing) * F.logsigmoid(u_G) - label_smoothing * F.logsigmoid(-u_G)
