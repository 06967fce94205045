"""Reward model from graded comparisons: much better, better, a tie, worse, much worse."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from truenorth.learn.types import Losses, ScorePair


def ordinal(
    policy: ScorePair, grade: Tensor, *, thresholds: tuple[float, ...] = (0.5, 1.5), centring: float = 0.0
) -> Losses:
    """(B,) -log P(grade), an ordered logit: P(at most k) = sigma(b_k - gap), the gap that of the scores.

    Args:
        grade: (B,) whole numbers from -m to m: how much better the first answer is; 0 is a tie.
        thresholds: b_1 < ... < b_m, 0 or more, in units of the score: a tie lies within b_1 of equality. They
            are fixed, and so fix the scale of the scores. (0.0,) has no ties and is `bradley_terry`.
        centring: as in `bradley_terry`.

    Source: McCullagh 1980, "Regression models for ordinal data", with symmetric thresholds: swapping the
    answers swaps the sign of the grade. NaN for a grade outside -m to m.

    Example:
        Equal scores and a tie: P = sigma(0.5) - sigma(-0.5) = 0.2449, -log of it 1.4068.

        >>> from truenorth.learn.types import Scores
        >>> even = ScorePair(Scores(torch.zeros(1, 1)), Scores(torch.zeros(1, 1)))
        >>> ordinal(even, torch.tensor([0.0]))
        tensor([1.4068])
    """
    gap_B = policy.chosen.one - policy.rejected.one
    up = torch.tensor(thresholds, dtype=gap_B.dtype, device=gap_B.device)
    end = up.new_tensor([torch.inf])
    # boundary k stands below grade k: -inf, -b_m, ..., -b_1, b_1, ..., b_m, inf
    edges = torch.cat([-end, -up.flip(0), up, end])
    index_B = grade.round().long() + len(thresholds)
    known_B = (index_B >= 0) & (index_B <= 2 * len(thresholds)) & (grade == grade.round())
    index_B = index_B.clamp(0, 2 * len(thresholds))
    below_B, above_B = edges[index_B], edges[index_B + 1]
    # sigma(a) - sigma(b) = sigma(a) sigma(-b) (1 - e^(b - a)), of which no part underflows
    logp_B = (
        F.logsigmoid(above_B - gap_B)
        + F.logsigmoid(gap_B - below_B)
        + torch.log(-torch.expm1(below_B - above_B))
    )
    loss_B = torch.where(known_B, -logp_B, torch.nan)
    return loss_B + centring * (policy.chosen.one + policy.rejected.one) ** 2 if centring else loss_B
