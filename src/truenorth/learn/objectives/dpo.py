"""Direct preference optimisation: the log-ratio to a reference as the reward of a Bradley-Terry model."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.types import Losses, Pair

LOGIC = {"top": "w & rl", "bottom": "l & rw", "loss": "-logsigmoid(beta * rho)"}


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

    Example:
        The margin is (-1 + 4) - (-2 + 3) = 2, times beta 0.5 is 1: -log sigma(1) = log(1 + 1/e).

        >>> from truenorth.learn.types import Logps
        >>> policy = Pair(Logps.of([[-1.0]]), Logps.of([[-4.0]]))
        >>> reference = Pair(Logps.of([[-2.0]]), Logps.of([[-3.0]]))
        >>> print(f"{dpo(policy, reference, beta=0.5).item():.6f}")
        0.313262
    """
    margin_B = (policy.chosen.total - policy.rejected.total) - (
        reference.chosen.total - reference.rejected.total
    )
    loss_B = -(1 - label_smoothing) * F.logsigmoid(beta * margin_B)
    if label_smoothing:
        loss_B = loss_B - label_smoothing * F.logsigmoid(-beta * margin_B)
    return loss_B - sft * policy.chosen.mean if sft else loss_B
