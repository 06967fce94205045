"""DRO: one answer and one number for each prompt; the log-ratio explains what the prompt's value leaves over."""

from __future__ import annotations

from torch import Tensor

from truenorth.learn.ratios import log_ratio
from truenorth.learn.types import Logps, Losses

LOGIC = "it is a regression on rewards of single answers"


def dro(policy: Logps, reference: Logps, reward: Tensor, value: Tensor, *, tau: float = 1.0) -> Losses:
    """(B,) 1/2 (reward - value - tau * log-ratio)^2.

    Args:
        reward: (B,) of each answer; standardise over the data.
        value: (B,) V(x) of its prompt, the same for all its answers. At the optimum
            V(x) = tau * log E_ref[exp(reward / tau)]; a mean reward is its first approximation.
        tau: strength of the regularisation, in rewards per nat.

    Pitfall: the paper learns V beside the policy in a network of its own; here it is a given column, so fit
    it first (on rewards), and again when the policy has moved.

    Source: Richemond et al. 2024 (arXiv:2405.19107), eq. 5.

    >>> import torch
    >>> from truenorth.learn.worked import logps
    >>> dro(logps(-1.0), logps(-2.0), torch.tensor([4.0]), torch.tensor([1.0]))  # (4 - 1 - 1)^2 / 2
    tensor([2.])
    """
    return 0.5 * (reward - value - tau * log_ratio(policy, reference)) ** 2
