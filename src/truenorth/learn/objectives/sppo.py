"""SPPO: each answer's log-ratio is moved to its centred chance of beating the policy's own answers."""

from __future__ import annotations

from torch import Tensor

from truenorth.learn.ratios import log_ratio
from truenorth.learn.types import Logps, Losses

LOGIC = "it regresses single answers on estimated win rates (with certain labels, `sppo_hard`)"


def sppo(policy: Logps, reference: Logps, win_rate: Tensor, *, beta: float = 0.1) -> Losses:
    """(B,) (log-ratio - (win_rate - 1/2) / beta)^2. Averaged over a pair it is the authors' loss.

    Args:
        win_rate: (B,) in [0, 1], the mean chance to beat each of the K answers sampled for the prompt,
            itself included (1/2).
        beta: 1 / eta of the paper, which uses 0.001 and so asks for up to 500 nats.

    Pitfall: the reference is the previous iterate: sample, judge and fit again, three times.

    Source: Wu et al. 2024 (arXiv:2405.00675), eq. 4.7; the authors' code (halved, summed over best and worst).

    >>> import torch
    >>> from truenorth.learn.worked import logps
    >>> sppo(logps(-1.0), logps(-2.0), torch.tensor([0.75]), beta=0.125)  # (1 - 0.25 / 0.125)^2
    tensor([1.])
    """
    return (log_ratio(policy, reference) - (win_rate - 0.5) / beta) ** 2
