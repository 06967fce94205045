"""Reward model of several attributes: regression on ratings such as helpfulness, correctness, verbosity."""

from __future__ import annotations

from torch import Tensor

from truenorth.learn.types import Losses, Scores


def attributes(policy: Scores, ratings: Tensor) -> Losses:
    """(B,) mean squared error over the attributes that were rated.

    Args:
        ratings: (B, K) one for each output of the head, NaN where it was not rated; or (B,) for one.

    Source: Wang et al. 2024, HelpSteer2 (arXiv:2406.08673), whose five attributes run from 0 to 4.

    Example:
        Errors 1 and 2, the third not rated: (1 + 4) / 2.

        >>> import torch
        >>> scores = Scores(torch.tensor([[1.0, 2.0, 3.0]]))
        >>> attributes(scores, torch.tensor([[0.0, 4.0, float("nan")]]))
        tensor([2.5000])
    """
    rating_BK = ratings[:, None] if ratings.ndim == 1 else ratings
    rated_BK = ~rating_BK.isnan()
    error_BK = (policy.value_BK - rating_BK.nan_to_num()) * rated_BK
    return (error_BK**2).sum(1) / rated_BK.sum(1).clamp_min(1)
