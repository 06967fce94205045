"""AlphaPO: SimPO with a reward whose shape alpha bends, against a falling chosen likelihood."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from truenorth.learn.types import Losses, Pair

LOGIC = "its reward is a power of the probability, which no count of weighted models gives (alpha 0 is SimPO)"


def alphapo(policy: Pair, *, beta: float = 2.5, gamma: float = 0.25, alpha: float = 0.25) -> Losses:
    """(B,) -log sigma(beta * gap - gamma) of the rewards (1 - p^-alpha) / alpha, p the mean-token probability.

    Args:
        alpha: 0 is SimPO; positive punishes unlikely answers more. -0.5 to 0.5.

    Pitfall: for alpha > 0 the reward of an unlikely answer is exp(-alpha * nats per token): keep alpha small.

    Source: Gupta et al. 2025 (arXiv:2501.03884), eq. 4; TRL's CPO trainer, `loss_type="alphapo"`.

    >>> from truenorth.learn.worked import pair
    >>> import math
    >>> half, quarter = math.log(0.5), math.log(0.25)  # rewards (1 - 2) = -1 and (1 - 4) = -3: gap 2
    >>> alphapo(pair(half, quarter), beta=1.0, gamma=1.0, alpha=1.0)  # softplus(-(2 - 1))
    tensor([0.3133])
    """
    gap_B = _reward(policy.chosen.mean, alpha) - _reward(policy.rejected.mean, alpha)
    return -F.logsigmoid(beta * gap_B - gamma)


def _reward(mean_B: Tensor, alpha: float) -> Tensor:
    return mean_B if alpha == 0 else -torch.expm1(-alpha * mean_B) / alpha
