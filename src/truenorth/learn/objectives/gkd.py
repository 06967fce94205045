"""Generalised knowledge distillation: a teacher's distribution at each token, by a chosen divergence."""

from __future__ import annotations

import math

import torch

from truenorth.learn.types import Distribution, TokenLosses


def gkd(
    policy: Distribution, reference: Distribution, *, beta: float = 0.5, temperature: float = 1.0
) -> TokenLosses:
    """(T,) beta KL(teacher || M) + (1 - beta) KL(student || M) in nats, M = beta teacher + (1 - beta) student.

    The reference is the teacher. Text: the student's own samples (on-policy), or the data's.

    Args:
        beta: 0 is KL(teacher || student), which covers all of the teacher's modes; 1 is
            KL(student || teacher), which keeps to one. Between them the divergence
            shrinks towards 0 at both ends, so the sizes jump.
        temperature: of both distributions; TRL's default is 0.9. The loss is not scaled by its square.

    Source: Agarwal et al. 2023 (arXiv:2306.13649), eq. 1; equal to TRL 1.16, `generalized_jsd_loss`.

    Example:
        Teacher (1/2, 1/2), student (1/4, 3/4), beta 0: 1/2 log(4/3).

        >>> teacher = Distribution(torch.tensor([[0.5, 0.5]]).log())
        >>> student = Distribution(torch.tensor([[0.25, 0.75]]).log())
        >>> gkd(student, teacher, beta=0.0)
        tensor([0.1438])
    """
    new_TV, old_TV = policy.logp_TV, reference.logp_TV
    if temperature != 1.0:
        new_TV, old_TV = ((x / temperature).log_softmax(1) for x in (new_TV, old_TV))
    if beta == 0.0:
        return _kl(old_TV, new_TV)
    if beta == 1.0:
        return _kl(new_TV, old_TV)
    mixed_TV = torch.logaddexp(new_TV + math.log1p(-beta), old_TV + math.log(beta))
    return beta * _kl(old_TV, mixed_TV) + (1 - beta) * _kl(new_TV, mixed_TV)


def _kl(p_TV: torch.Tensor, q_TV: torch.Tensor) -> torch.Tensor:
    return (p_TV.exp() * (p_TV - q_TV)).sum(1)
