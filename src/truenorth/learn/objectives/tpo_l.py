"""TPO-L: TPO with SimPO's contrast, per token and with a target margin."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.objectives.tpo import triples
from truenorth.learn.types import Group, Losses

LOGIC = "it has three answers, and the theory is about pairs (its contrast is SimPO's)"


def tpo_l(policy: Group, *, beta: float = 2.0, gamma: float = 0.5, alpha: float = 1.0) -> Losses:
    """(G,) -log sigma(beta * gap - gamma) + alpha * NLL of the gold answer; gap and NLL per token.

    Completions of each group: chosen, rejected, gold.

    Args:
        gamma: target margin in units of reward (TRL's `tpo_l_gamma`).

    Pitfall: `alpha` of 1 with the margin at TRL's beta of 0.01 is imitation and nothing else.

    Source: Saeidi et al. 2024 (arXiv:2405.16681); TRL's TPO trainer, `loss_type="tpo-l"`.

    >>> from truenorth.learn.worked import group
    >>> tpo_l(group(-1.0, [-2.0, -2.0], -1.0), beta=1.0, gamma=0.0, alpha=0.0)  # -1 - -2 = 1
    tensor([0.3133])
    """
    chosen, rejected, gold = triples(policy)
    return -F.logsigmoid(beta * (chosen.mean - rejected.mean) - gamma) - alpha * gold.mean
