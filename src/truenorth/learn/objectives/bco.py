"""BCO: single answers classified as good or bad by their implicit reward, less a shift."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from truenorth.learn.lists import firsts
from truenorth.learn.ratios import log_ratio
from truenorth.learn.types import Batch, Losses

LOGIC = "its reward shift is a mean over the batch (without the shift, on pairs, it is `bco_pair`)"


def bco(
    policy: Batch,
    reference: Batch,
    label: Tensor,
    density_ratio: Tensor | None = None,
    *,
    beta: float = 0.1,
    shift: float | None = None,
) -> Losses:
    """(G,) -log sigma(reward - shift) for a good answer, -density_ratio * log sigma(shift - reward) for a bad one.

    The reward is beta * log-ratio of an example's (first) completion.

    Args:
        label: (G,) above 0 for a good answer.
        density_ratio: (G,) of good to bad answers at such a prompt, in [0.5, 10]; weighs bad answers where
            their prompts come from elsewhere (see `learn.unpaired.density_ratios`). 1 where absent.
        shift: a fixed one. By default half the sum of the batch's mean rewards of good and of bad answers
            (where all are of one kind, their mean), without gradient. TRL 0.29 kept a running mean of all rewards.

    Pitfall: the shift is an estimate from one batch: 16 examples or more.

    Source: Jung et al. 2024 (arXiv:2404.04656), eq. 13 (shift) and 16 (density ratio).

    >>> from truenorth.learn.worked import batch
    >>> new, old = batch([-1.0], [-3.0]), batch([-2.0], [-2.0])  # rewards 1 and -1: shift 0
    >>> bco(new, old, torch.tensor([1.0, 0.0]), torch.tensor([1.0, 2.0]), beta=1.0)  # softplus(-1), twice that
    tensor([0.3133, 0.6265])
    """
    reward_G = beta * log_ratio(policy.answers, reference.answers)[firsts(policy)]
    good_G = label > 0
    delta = _middle(reward_G.detach(), good_G) if shift is None else reward_G.new_tensor(shift)
    ratio_G = torch.ones_like(reward_G) if density_ratio is None else density_ratio
    u_G = reward_G - delta
    return torch.where(good_G, -F.logsigmoid(u_G), -ratio_G * F.logsigmoid(-u_G))


def _middle(reward_G: Tensor, good_G: Tensor) -> Tensor:
    """() the mean of the two kinds' mean rewards; of the only kind, its own."""
    kinds_KG = torch.stack([good_G, ~good_G]).to(reward_G.dtype)
    count_K = kinds_KG.sum(1)
    mean_K = kinds_KG @ reward_G / count_K.clamp(min=1)
    return (mean_K * (count_K > 0)).sum() / (count_K > 0).sum()
