"""Dynamic fine-tuning: supervised fine-tuning in which tokens the model finds unlikely pull less."""

from __future__ import annotations

from truenorth.learn.types import Logps, TokenLosses


def dft(policy: Logps) -> TokenLosses:
    """(B,) minus the sum over tokens of p * log p, with p held fixed.

    The gradient of plain SFT is that of a policy gradient whose reward is 1/p: rare tokens pull without
    bound. The factor p cancels it.

    Pitfall: what the model believes impossible is hardly learned; teach new facts with `sft`.

    Source: Wu et al. 2025 (arXiv:2508.05629); TRL's `loss_type="dft"`.

    Example:
        Probabilities 1/2 and 1/4: (log 2) / 2 + (log 4) / 4 = log 2.

        >>> dft(Logps.of([[-0.693147, -1.386294]]))
        tensor([0.6931])
    """
    return -(policy.token_BT.detach().exp() * policy.token_BT).sum(1)
