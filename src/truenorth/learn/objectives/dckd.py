"""Dual-constrained distillation: a DPO-trained teacher's distributions on chosen and rejected answers."""

from __future__ import annotations

from truenorth.learn.types import Losses, Pair

LOGIC = "it matches a teacher's distributions over the whole vocabulary, not the odds of two answers"


def dckd(
    policy: Pair,
    reference: Pair,
    kl: Pair,
    *,
    sft: float = 1.0,
    chosen: float = 1.0,
    rejected: float = 1.0,
    top_k: int = 0,
) -> Losses:
    """(B,) sft * NLL(chosen) + chosen * KL on chosen + rejected * KL on rejected, each per token, in nats.

    The reference is the teacher; KL(teacher || student) is over the whole vocabulary.

    Args:
        top_k: above 0, over the teacher's likeliest words only, as the paper does; so many log-probs a token are kept
            of the teacher, and its head is not run again. They are not scaled to sum to 1.

    Source: Gao et al. 2025 (arXiv:2502.17927); the teacher is a model after DPO.

    Example:
        NLL 2 nats over 2 tokens, KL 0.1 and 0.3 per token: 1 + 0.2 + 0.3.

        >>> from truenorth.learn.types import Logps
        >>> student = Pair(Logps.of([[-0.5, -1.5]]), Logps.of([[-3.0]]))
        >>> divergence = Pair(Logps.of([[0.05, 0.15]]), Logps.of([[0.3]]))
        >>> dckd(student, student, divergence, chosen=2.0)
        tensor([1.5000])
    """
    return -sft * policy.chosen.mean + chosen * kl.chosen.mean + rejected * kl.rejected.mean
