"""Direct preference optimisation: the log-ratio to a reference as the reward of a Bradley-Terry model."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.types import Losses, Pair


def dpo(
    policy: Pair, reference: Pair, *, beta: float = 0.1, label_smoothing: float = 0.0, sft: float = 0.0
) -> Losses:
    """(B,) -log sigma(beta * margin); the margin is the gap of the log-ratios of chosen and rejected.

    Args:
        beta: 0.01 to 0.5; how strongly the policy is held to the reference.
        label_smoothing: in [0, 0.5), the share of labels taken to be flipped (conservative DPO). With it the
            optimum is finite: beta * margin = log((1 - eps) / eps).
        sft: weight of the chosen answer's negative log-likelihood per token. It holds up the likelihood of
            chosen answers, which DPO alone may lower together with the rejected ones'.

    Source: Rafailov et al. 2023 (arXiv:2305.18290), eq. 7; smoothing as in the authors' code; the SFT term
    per token as in Pang et al. 2024 (arXiv:2404.19733), eq. 1. Equal to TRL 1.16 to 5e-5 a pair.
    """
    margin_B = (policy.chosen.total - policy.rejected.total) - (
        reference.chosen.total - reference.rejected.total
    )
    loss_B = -(1 - label_smoothing) * F.logsigmoid(beta * margin_B)
    if label_smoothing:
        loss_B = loss_B - label_smoothing * F.logsigmoid(-beta * margin_B)
    return loss_B - sft * policy.chosen.mean if sft else loss_B
