"""MiniLLM: reverse KL to a teacher over whole answers, by policy gradient on answers that were sampled."""

from __future__ import annotations

import torch
from torch import Tensor

from truenorth.learn.types import Logps, TokenLosses


def minillm(
    policy: Logps,
    reference: Logps,
    sampled_logps: Tensor | None = None,
    *,
    gamma: float = 1.0,
    include_current: bool = False,
    clip: float = 0.2,
) -> TokenLosses:
    """(B,) sum over tokens of max(-A q, -A clip(q, 1 - clip, 1 + clip)), A the mean of the rewards that follow.

    The reward of a token is log teacher - log student, held fixed; A is discounted by gamma and divided by the
    number of tokens that follow, so that short answers do not win. q is student / sampler.

    This is the long-range part of the gradient. The single-step part is `gkd` with `beta=1` on the same
    answers, as a second task; the corpus part is an `sft` task. `learn.on_policy.minillm_rounds` draws the answers
    and makes the tasks. Not here: the official code's whitening of A over the batch.

    Args:
        sampled_logps: (B, T) log-probs of the tokens under what sampled them, such as 0.2 teacher + 0.8
            student; by default the student as it is, so that q is 1.
        gamma: discount per token; with 0 (TRL's default) only `include_current` leaves anything to learn.
        include_current: count the token's own reward too, as the official code does. The single-step
            part has it already: with both it counts twice.

    Source: Gu et al. 2023 (arXiv:2306.08543), and microsoft/LMOps minillm/losses.py.

    Example:
        Rewards -1 and 2. The first token is followed by 2, the last by nothing: -2 * 1.

        >>> minillm(Logps.of([[-1.0, -3.0]]), Logps.of([[-2.0, -1.0]]))
        tensor([-2.])
    """
    new_BT, mask_BT = policy.token_BT, policy.mask_BT
    reward_BT = (reference.token_BT - new_BT).detach() * mask_BT
    steps_T = torch.arange(new_BT.shape[1], device=new_BT.device)
    ahead_TT = (steps_T[:, None] - steps_T).to(new_BT.dtype)  # from column t to row i
    after_TT = ahead_TT >= (0 if include_current else 1)
    discount_TT = torch.where(after_TT, torch.tensor(gamma, dtype=new_BT.dtype) ** ahead_TT, 0.0)
    following_BT = (mask_BT.to(new_BT.dtype) @ after_TT.to(new_BT.dtype)).clamp_min(1)
    advantage_BT = reward_BT @ discount_TT / following_BT
    start_BT = new_BT.detach() if sampled_logps is None else sampled_logps
    ratio_BT = (new_BT - start_BT).exp()
    worst_BT = torch.maximum(-advantage_BT * ratio_BT, -advantage_BT * ratio_BT.clamp(1 - clip, 1 + clip))
    return (worst_BT * mask_BT).sum(1)
