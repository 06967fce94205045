"""Deep safety alignment: fine-tuning that may not move the first tokens of an answer far."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from truenorth.learn.types import Logps, TokenLosses


def token_constrained(
    policy: Logps,
    reference: Logps,
    *,
    beta: float = 0.1,
    first: float = 5.0,
    early: float = 20.0,
    length: int = 5,
) -> TokenLosses:
    """(B,) sum over tokens of -(2 / beta_t) log sigma(beta_t * (log policy - log reference)).

    At the reference the gradient is that of `sft`; a token that has become likelier pulls less, the sooner the
    larger beta_t. Refusals live in the first tokens, so those are held.

    Args:
        beta: of tokens after the first `length`; 0 would be `sft`.
        first: the first token's beta, in units of `beta`.
        early: that of tokens 2 to `length`.

    Source: Qi et al. 2024 (arXiv:2406.05946), eq. 3, with the released factors. Their code applies the weight
    2 (1 - sigma), at least 0.001, to the SFT gradient; this is the loss it comes from, without the floor.

    Example:
        One token at the reference: 2 / 0.5 * log 2.

        >>> token_constrained(Logps.of([[-1.0]]), Logps.of([[-1.0]]))
        tensor([2.7726])
    """
    beta_T = torch.full(
        policy.token_BT.shape[1:], beta, dtype=policy.token_BT.dtype, device=policy.token_BT.device
    )
    beta_T[:length] = beta * early
    beta_T[:1] = beta * first
    loss_BT = -2 / beta_T * F.logsigmoid(beta_T * (policy.token_BT - reference.token_BT))
    return (loss_BT * policy.mask_BT).sum(1)
