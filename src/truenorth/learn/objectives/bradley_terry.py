"""Reward model: the chosen answer's score is above the rejected one's."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from truenorth.learn.types import Losses, ScorePair


def bradley_terry(
    policy: ScorePair, margin: Tensor | None = None, *, centring: float = 0.0, label_smoothing: float = 0.0
) -> Losses:
    """(B,) -log sigma(chosen - rejected - margin) + centring * (chosen + rejected)^2.

    A model with several outputs is an ensemble that shares its body: the mean of their losses counts.

    Args:
        margin: (B,) by how much the chosen answer should win, such as 3, 2, 1, 0 by strength of preference.
        centring: 0.01 holds scores near 0, which the difference alone leaves free (TRL's
            `center_rewards_coefficient`).
        label_smoothing: in [0, 0.5), the share of labels taken to be flipped; scores stay finite with it.

    Pitfall: one epoch; a second overfits.

    Source: Bradley and Terry 1952; Touvron et al. 2023 (arXiv:2307.09288), eq. 2, for the margin; Eisenstein
    et al. 2023 (arXiv:2312.09244) for the centring. Equal to TRL's RewardTrainer.

    Example:
        Scores 2 and 1, margin 1: log 2. Centring 0.1 adds 0.1 * 3^2 = 0.9.

        >>> import torch
        >>> from truenorth.learn.types import Scores
        >>> scores = ScorePair(Scores(torch.tensor([[2.0]])), Scores(torch.tensor([[1.0]])))
        >>> bradley_terry(scores, torch.tensor([1.0]), centring=0.1)
        tensor([1.5931])
    """
    chosen_BK, rejected_BK = policy.chosen.value_BK, policy.rejected.value_BK
    gap_BK = chosen_BK - rejected_BK
    if margin is not None:
        gap_BK = gap_BK - margin[:, None]
    loss_BK = -(1 - label_smoothing) * F.logsigmoid(gap_BK)
    if label_smoothing:
        loss_BK = loss_BK - label_smoothing * F.logsigmoid(-gap_BK)
    if centring:
        loss_BK = loss_BK + centring * (chosen_BK + rejected_BK) ** 2
    return loss_BK.mean(1)
