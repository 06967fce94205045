"""Inverse reinforcement learning: a reward recovered from demonstrations and the model's own answers."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F

from truenorth.learn.types import Losses, ScorePair

TWO_LOG_TWO = 1.3862943611198906
Divergence = Literal["forward_kl", "reverse_kl", "jensen_shannon"]


def irl(policy: ScorePair, *, divergence: Divergence = "jensen_shannon", centring: float = 0.0) -> Losses:
    """(B,) the variational bound of an f-divergence, its critic written as a log density ratio: the score.

    Chosen is a demonstration, rejected an answer of the model that is to imitate. Whichever divergence, the best
    score is log p_demonstrations - log p_model, and minus the mean loss there is the divergence between the two.
    As a reward it leads the model to the demonstrations; alternate the two.

    - forward_kl: exp(s_model) - s_demo - 1. The imitator's own side of it is `sft`.
    - reverse_kl: exp(-s_demo) + s_model - 1. The score itself is the reward to maximise.
    - jensen_shannon: -log sigma(s_demo) - log sigma(-s_model) - 2 log 2, as in GAIL. It cannot overflow.

    Args:
        centring: weight of the mean square of the two scores.

    Source: Nowozin et al. 2016, f-GAN (arXiv:1606.00709), table 2; Ho and Ermon 2016 (arXiv:1606.03476); for
    language models Sun and van der Schaar 2024 (arXiv:2405.15624). Jensen-Shannon is twice the usual one.

    Example:
        Scores of 1 and -1: 2 log(1 + 1/e) - 2 log 2.

        >>> import torch
        >>> from truenorth.learn.types import Scores
        >>> scores = ScorePair(Scores(torch.tensor([[1.0]])), Scores(torch.tensor([[-1.0]])))
        >>> irl(scores)
        tensor([-0.7598])
    """
    demo_B, model_B = policy.chosen.one, policy.rejected.one
    if divergence == "forward_kl":
        loss_B = model_B.exp() - demo_B - 1
    elif divergence == "reverse_kl":
        loss_B = (-demo_B).exp() + model_B - 1
    else:
        loss_B = -F.logsigmoid(demo_B) - F.logsigmoid(-model_B) - TWO_LOG_TWO
    return loss_B + centring * (demo_B**2 + model_B**2) / 2
