"""ListNet: cross-entropy from the softmax of the scores to that of the policy's implicit rewards."""

from __future__ import annotations

from torch import Tensor

from truenorth.learn.objectives.infonca import infonca
from truenorth.learn.types import Group, Losses

LOGIC = "it ranks a list, and the theory is about pairs (two answers with certain labels are DPO)"


def listnet(
    policy: Group, reference: Group, scores: Tensor, *, beta: float = 0.05, temperature: float = 1.0
) -> Losses:
    """(G,) -sum_i softmax(scores / temperature)_i log softmax(s)_i, with s = beta * log-ratio.

    Args:
        scores: (B,) of each completion.

    Pitfall: scores in [0, 1] at temperature 1 are nearly uniform targets; lower it.

    Source: Cao et al. 2007, "Learning to rank: from pairwise to listwise", top-one probabilities; `softmax`
    in Liu et al. 2024 (arXiv:2402.01878), table 1. The same formula as `infonca`, with the defaults of ranking.

    >>> import torch
    >>> from truenorth.learn.worked import group
    >>> same = group(-1.0, -2.0, -3.0)
    >>> listnet(same, same, torch.tensor([1.0, 2.0, 3.0]))  # log 3
    tensor([1.0986])
    """
    return infonca(policy, reference, scores, beta=beta, temperature=temperature)
