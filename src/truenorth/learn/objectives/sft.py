"""Supervised fine-tuning: the negative log-likelihood of the completions."""

from __future__ import annotations

from truenorth.learn.types import Logps, TokenLosses


def sft(policy: Logps) -> TokenLosses:
    """(B,) minus the log-probability of each completion, in nats, summed over its tokens.

    Averaged per token by default, so that long answers weigh by their length. Whole documents (pretraining)
    are the same objective with a prompt of one BOS token.
    """
    return -policy.total
