"""D2O: learning from what people rejected alone, against answers the model gave itself."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.lists import lists
from truenorth.learn.ratios import log_ratio
from truenorth.learn.types import Group, Losses

LOGIC = "it contrasts the mean of several answers with one, and the theory is about pairs (K = 1 is DPO)"


def d2o(policy: Group, reference: Group, *, beta: float = 0.1, alpha: float = 0.1) -> Losses:
    """(G,) -log sigma(beta * mean of the anchors' log-ratios - alpha * log-ratio of the rejected answer).

    The last completion of a group is the rejected one; those before it are anchors, sampled from the
    policy before training (11 in the paper) and sampled again every few hundred steps.

    Args:
        beta, alpha: of the anchors and of the rejected answer.

    Pitfall: without anchors it is unlikelihood training and collapses; watch the anchors' log-probs.

    Source: Duan et al. 2024 (arXiv:2403.03419), eq. 7, with one reference for both sides; its constants
    come from a reimplementation and are unconfirmed.

    >>> from truenorth.learn.worked import group
    >>> d2o(group(-1.0, -3.0, -4.0), group(-2.0, -4.0, -3.0), beta=0.5, alpha=0.5)  # 0.5 * 1 + 0.5 * 1
    tensor([0.3133])
    """
    shape = lists(policy)
    ratio_GK = shape.of(log_ratio(policy.answers, reference.answers))
    count_G = shape.mask_GK.sum(1)
    rejected_G = ratio_GK.gather(1, (count_G - 1)[:, None])[:, 0]
    anchors_G = (ratio_GK.sum(1) - rejected_G) / (count_G - 1)
    return -F.logsigmoid(beta * anchors_G - alpha * rejected_G)
