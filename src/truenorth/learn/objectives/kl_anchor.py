"""KL anchor: stay close to the old model's whole distribution on text where it should not change."""

from __future__ import annotations

from truenorth.learn.types import Distribution, TokenLosses


def kl_anchor(policy: Distribution, reference: Distribution, *, temperature: float = 1.0) -> TokenLosses:
    """(T,) temperature^2 * KL(reference || policy) per completion token, over the full vocabulary, in nats.

    Args:
        temperature: above 1 softens both distributions, so that unlikely tokens count more; the square keeps
            the size of the gradient. 1 to 2.

    Source: Li and Hoiem 2016, "Learning without forgetting" (arXiv:1606.09282), with KL for cross-entropy:
    the gradient is the same, and the value is 0 at the reference.

    Example:
        KL((1/2, 1/2) || (1/4, 3/4)) = 1/2 log 2 + 1/2 log(2/3) = 1/2 log(4/3).

        >>> import torch
        >>> old = Distribution(torch.tensor([[0.5, 0.5]]).log())
        >>> new = Distribution(torch.tensor([[0.25, 0.75]]).log())
        >>> print(f"{kl_anchor(new, old).item():.6f}")
        0.143841
    """
    old_TV, new_TV = reference.logp_TV, policy.logp_TV
    if temperature != 1.0:
        old_TV = (old_TV / temperature).log_softmax(1)
        new_TV = (new_TV / temperature).log_softmax(1)
    return temperature**2 * (old_TV.exp() * (old_TV - new_TV)).sum(1)
