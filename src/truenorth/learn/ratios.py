"""What most preference objectives are made of: log-ratios to a reference, and their gap in a pair."""

from __future__ import annotations

import torch
from torch import Tensor

from truenorth.learn.types import Logps, Pair


def log_ratio(policy: Logps, reference: Logps) -> Tensor:
    """(B,) log pi(y|x) - log pi_ref(y|x), in nats, summed over tokens."""
    return policy.total - reference.total


def margin(policy: Pair, reference: Pair) -> Tensor:
    """(B,) the log-ratio of the chosen answer minus that of the rejected one."""
    return log_ratio(policy.chosen, reference.chosen) - log_ratio(policy.rejected, reference.rejected)


def log1mexp(value: Tensor) -> Tensor:
    """log(1 - exp(value)) for value < 0, exact near 0 and far from it; 0 counts as -1e-7.

    Source: Maechler 2012, "Accurately computing log(1 - exp(-|a|))".
    """
    value = value.clamp(max=-1e-7)
    near = value > -0.6931471805599453
    # each branch is given harmless input where the other is taken, so that no NaN enters the gradient
    small = torch.where(near, value, torch.full_like(value, -0.5))
    large = torch.where(near, torch.full_like(value, -1.0), value)
    return torch.where(near, torch.log(-torch.expm1(small)), torch.log1p(-torch.exp(large)))
