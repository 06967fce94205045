"""KTO: thumbs up and thumbs down on single answers, valued against how far the policy has moved at all."""

from __future__ import annotations

import torch
from torch import Tensor

from truenorth.base import UserError
from truenorth.learn.lists import firsts
from truenorth.learn.ratios import log_ratio
from truenorth.learn.types import Batch, Losses

LOGIC = "its reference point is the mean log-ratio of other answers in the batch, not a count of models"


def kto(
    policy: Batch,
    reference: Batch,
    label: Tensor,
    *,
    beta: float = 0.1,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> Losses:
    """(G,) weight * (1 - sigma(beta * (r - z))) for a good answer, weight * (1 - sigma(beta * (z - r))) for a bad one.

    r is the log-ratio of a group's first completion. Its other completions are mismatched ones, answers
    to other prompts (`learn.unpaired.with_mismatched` adds them): z = max(0, mean of their log-ratios) over the
    batch is the reference point, an estimate of KL(policy || reference), and carries no gradient.

    Args:
        label: (G,) above 0 for a good answer.
        desirable_weight, undesirable_weight: keep their ratio, times that of good to bad answers, in [1, 4/3].

    Pitfall: z is noise in batches of fewer than 16; losses are bounded, so badly wrong answers hardly teach.

    Raises:
        UserError: no example has a mismatched completion.

    Source: Ethayarajh et al. 2024 (arXiv:2402.01306), eq. 8; TRL's KTO trainer. Without z:
    `apo_zero_unpaired`.

    >>> from truenorth.learn.worked import batch
    >>> new, old = batch((-1.0, -3.0), (-2.0, -2.0)), batch((-2.0, -4.0), (-2.0, -3.0))
    >>> kto(new, old, torch.tensor([1.0, 0.0]), beta=1.0)  # r = 1, 0; z = 1: 1 - sigma(0), 1 - sigma(1)
    tensor([0.5000, 0.2689])
    """
    first_G = firsts(policy)
    ratio_B = log_ratio(policy.answers, reference.answers)
    others = len(ratio_B) - len(first_G)
    if not others:
        raise UserError(
            "kto has no mismatched completions to estimate its reference point from",
            fix="add them with learn.unpaired.with_mismatched, or use apo_zero_unpaired, which needs none",
        )
    r_G = ratio_B[first_G]
    z = ((ratio_B.sum() - r_G.sum()) / others).detach().clamp(min=0)
    good_G = label > 0
    sign_G = torch.where(good_G, 1.0, -1.0)
    weight_G = torch.where(good_G, desirable_weight, undesirable_weight)
    return weight_G * torch.sigmoid(-sign_G * beta * (r_G - z))
