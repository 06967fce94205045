"""Contrastive instruction tuning: a request and its paraphrase are held alike, other requests apart."""

from __future__ import annotations

import torch.nn.functional as F

from truenorth.learn.types import Losses, StatePair


def coin(policy: StatePair, *, temperature: float = 0.05) -> Losses:
    """(B,) -log of the share that a text's other wording has among those of the batch, both ways, averaged.

    The share is the softmax of cosine / temperature between the states after each text's last token. It stands
    beside an `sft` task on both wordings (`learn.paraphrases` makes both). Neighbours in the data that share the
    instruction and differ in its object are the hard negatives; a batch without them teaches little.

    Args:
        temperature: of the cosines; 0.05 in the release.

    Pitfall: 0 at a batch of one. The release multiplies this loss by 1,000 and then holds it below the loss of
    `sft`: as a weight of the task, begin with 1.

    Source: Yan et al. 2024 (arXiv:2402.11138), eq. 2, both ways as in luka-group/CoIN, `ContrastiveLoss`.

    Example:
        Two pairs that agree (cosine 1) and are at right angles to each other, temperature 1: log(1 + 1/e).

        >>> import torch
        >>> states = torch.eye(2)
        >>> coin(StatePair(states, 3 * states), temperature=1.0)
        tensor([0.3133, 0.3133])
    """
    first_BD, second_BD = F.normalize(policy.first_BD, dim=1), F.normalize(policy.second_BD, dim=1)
    alike_BB = first_BD @ second_BD.T / temperature
    return -(alike_BB.log_softmax(1).diagonal() + alike_BB.log_softmax(0).diagonal()) / 2
