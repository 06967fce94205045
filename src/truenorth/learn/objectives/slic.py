"""SLiC-HF: likelihoods of chosen and rejected calibrated to a margin, anchored by imitation."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.types import Losses, Pair

LOGIC = [
    {"top": "w", "bottom": "l", "loss": "relu(delta - rho)"},
    {"top": "w", "bottom": "~w", "loss": "-sft * logsigmoid(rho)"},
]


def slic(policy: Pair, *, delta: float = 1.0, sft: float = 0.1, per_token: bool = False) -> Losses:
    """(B,) max(0, delta - log p(chosen) + log p(rejected)) + sft * NLL of the chosen answer.

    Args:
        delta: the margin in nats (per answer, or per token).
        sft: weight of the imitation of the chosen answer, 0.1 to 1.
        per_token: use mean log-probs, in both terms.

    Pitfall: summed, a margin of 1 nat is trivial for long answers.

    Source: Zhao et al. 2023 (arXiv:2305.10425), eq. 1, from knowledge of the paper: whether its T5 code
    normalises by length was not checked, hence the setting. DPO's margin with a hinge is `hinge`.

    >>> from truenorth.learn.worked import pair
    >>> slic(pair(-1.0, -1.25), sft=0.0), slic(pair(-1.0, -1.25), sft=0.5)  # 1 - 0.25, and 0.5 * 1 nat
    (tensor([0.7500]), tensor([1.2500]))
    """
    chosen_B = policy.chosen.mean if per_token else policy.chosen.total
    rejected_B = policy.rejected.mean if per_token else policy.rejected.total
    return F.relu(delta - (chosen_B - rejected_B)) - sft * chosen_B
