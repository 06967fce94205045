"""Advantage-guided distillation: at each token, more of what a teacher learned to prefer."""

from __future__ import annotations

from truenorth.learn.types import Distribution, TokenLosses


def adpa(
    policy: Distribution, reference: Distribution, baseline: Distribution, *, top_k: int = 0
) -> TokenLosses:
    """(T,) minus the student's mean over words of the advantage log reference - log baseline.

    The reference is the teacher after DPO, the baseline (`fit(models={"baseline": ...})`) the same teacher
    before. Examples are the student's own answers. It stands beside an `sft` task on chosen answers, with 0.1 to
    5 times its weight.

    Args:
        top_k: above 0, the advantage counts for the teacher's likeliest words only, as in the paper; of all others
            it is 0.

    Pitfall: linear in the student's probabilities, without entropy: too much of it collapses onto one word.

    Source: Gao et al. 2025 (arXiv:2502.17927).

    Example:
        Advantages log 2 and -log 2 at probabilities 3/4 and 1/4: -(3/4 - 1/4) log 2.

        >>> import torch
        >>> student = Distribution(torch.tensor([[0.75, 0.25]]).log())
        >>> after = Distribution(torch.tensor([[0.5, 0.25]]).log())
        >>> before = Distribution(torch.tensor([[0.25, 0.5]]).log())
        >>> adpa(student, after, before)
        tensor([-0.3466])
    """
    gain_TV = policy.logp_TV.exp() * (reference.logp_TV - baseline.logp_TV)
    if top_k:
        gain_TV = gain_TV.gather(1, reference.logp_TV.topk(min(top_k, gain_TV.shape[1]), 1).indices)
    return -gain_TV.sum(1)
