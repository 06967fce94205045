"""Process reward model: is each step of a solution right?"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from truenorth.learn.types import StepLosses, TokenScores


def prm(policy: TokenScores, labels: Tensor) -> StepLosses:
    """(T,) cross-entropy at each step's last token, 0 elsewhere; averaged over the batch's labelled steps.

    Two outputs are the logits of wrong and right (TRL's token classifier); one is the logit of right.

    Args:
        labels: (T,) in [0, 1]: a verdict, or the share of continuations that ended well; NaN at tokens
            that end no step. `learn.steps` makes it from TRL's `prompt`, `completions`, `labels`.

    Pitfall: steps after the first mistake are often unlabelled; leave them so, they are not wrong.

    Source: Lightman et al. 2023 (arXiv:2305.20050); shares as in Wang et al. 2023 (arXiv:2312.08935); TRL's
    PRMTrainer, as long as it had one.

    Example:
        The first token ends no step. At the second, logits 0 and 1 and a right step: log(1 + 1/e).

        >>> import torch
        >>> scores = TokenScores(torch.tensor([[5.0, -5.0], [0.0, 1.0]]))
        >>> prm(scores, torch.tensor([float("nan"), 1.0]))
        tensor([0.0000, 0.3133])
    """
    value_TK = policy.value_TK
    logit_T = value_TK[:, 0] if value_TK.shape[1] == 1 else value_TK[:, 1] - value_TK[:, 0]
    step_T = ~labels.isnan()
    right_T = labels.nan_to_num()
    loss_T = -right_T * F.logsigmoid(logit_T) - (1 - right_T) * F.logsigmoid(-logit_T)
    return loss_T * step_T
