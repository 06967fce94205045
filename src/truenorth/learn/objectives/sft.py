"""Supervised fine-tuning: the negative log-likelihood of the completions."""

from __future__ import annotations

from truenorth.learn.types import Logps, TokenLosses

LOGIC = {"top": "w", "bottom": "~w", "loss": "-logsigmoid(rho)"}


def sft(policy: Logps) -> TokenLosses:
    """(B,) minus the log-probability of each completion, in nats, summed over its tokens.

    Averaged per token by default, so that long answers weigh by their length. Whole documents (pretraining)
    are the same objective with a prompt of one BOS token; a teacher's answers make it sequence distillation.

    Example:
        Probabilities 1/2 and 1/4 are log 2 + log 4 = 3 log 2 nats.

        >>> print(f"{sft(Logps.of([[-0.693147, -1.386294]])).item():.6f}")
        2.079441
    """
    return -policy.total
