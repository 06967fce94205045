"""Cost model: which answer does more harm, and whether it is harmful at all. Above 0 is unsafe."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from truenorth.learn.types import Losses, ScorePair


def cost(policy: ScorePair, unsafe: Tensor, *, regularisation: float = 0.001) -> Losses:
    """(B,) -log sigma(c_r - c_c) - log sigma(s_c c_c) - log sigma(s_r c_r), for chosen and rejected.

    c is the score; s is 1 for an unsafe answer and -1 for a safe one. The chosen answer is the safer one.

    Args:
        unsafe: (B, 2) whether the chosen and the rejected answer are unsafe (1 or 0).
        regularisation: weight of the mean square of the two costs.

    Pitfall: a safer answer that is flagged unsafe beside a safe one contradicts itself; drop such pairs.

    Source: Dai et al. 2023, Safe RLHF (arXiv:2310.12773), and its code.

    Example:
        Costs -1 (safe) and 1 (unsafe): log(1 + e^-2) + 2 log(1 + 1/e) = 0.126928 + 0.626523.

        >>> import torch
        >>> from truenorth.learn.types import Scores
        >>> costs = ScorePair(Scores(torch.tensor([[-1.0]])), Scores(torch.tensor([[1.0]])))
        >>> cost(costs, torch.tensor([[0.0, 1.0]]), regularisation=0.0)
        tensor([0.7535])
    """
    safer_B, harmful_B = policy.chosen.one, policy.rejected.one
    sign_B2 = 2 * (unsafe > 0).to(safer_B.dtype) - 1
    loss_B = (
        -F.logsigmoid(harmful_B - safer_B)
        - F.logsigmoid(sign_B2[:, 0] * safer_B)
        - F.logsigmoid(sign_B2[:, 1] * harmful_B)
    )
    return loss_B + regularisation * (safer_B**2 + harmful_B**2) / 2
