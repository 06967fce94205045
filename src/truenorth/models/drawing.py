"""One token from each row of logits: temperature, nucleus, and the inverse of the distribution function.

A draw is a function of the row's logits and its own uniform number, so it does not depend on the rest of the
batch (beyond the last bits of the matrix products, which differ with batch sizes: one draw in a million).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 128  # vocabulary entries whose masses are summed before the search


class Draw(NamedTuple):
    tokens_B: Tensor  # int64
    logprobs_B: Tensor  # float64, nats, under the distribution drawn from


def greedy(logits_BV: Tensor) -> Draw:
    """The most likely token, and its log-probability at temperature 1."""
    logits_BV = logits_BV.float()
    top = logits_BV.max(dim=-1)
    return Draw(top.indices, (top.values - logits_BV.logsumexp(dim=-1)).double())


def draw(logits_BV: Tensor, uniforms_B: Tensor, *, temperature: float, top_p: float = 1.0) -> Draw:
    """The token at which the cumulated probability, in vocabulary order, passes the row's uniform number.

    Masses are float32, their sums float64. The nucleus is the smallest set of most likely tokens with at
    least `top_p` of the mass, and whatever ties with its least likely member.

    Source: Holtzman et al., "The Curious Case of Neural Text Degeneration" (2019), section 3.1.
    """
    scaled_BV = logits_BV.float()
    if temperature != 1.0:
        scaled_BV = scaled_BV / temperature
    mass_BV = (scaled_BV - scaled_BV.amax(dim=-1, keepdim=True)).exp_()
    if top_p < 1.0:
        mass_BV = mass_BV.masked_fill(mass_BV < nucleus_floor(mass_BV, top_p), 0.0)
    rows, vocabulary = mass_BV.shape
    blocks = -(-vocabulary // BLOCK)
    if blocks * BLOCK != vocabulary:
        mass_BV = torch.nn.functional.pad(mass_BV, (0, blocks * BLOCK - vocabulary))
    mass_BKJ = mass_BV.view(rows, blocks, BLOCK)
    cumulated_BK = mass_BKJ.sum(-1).double().cumsum(-1)
    total_B = cumulated_BK[:, -1]
    target_B = (uniforms_B * total_B)[:, None]
    block_B = torch.searchsorted(cumulated_BK, target_B, right=True).clamp_(max=blocks - 1)
    before_B = cumulated_BK.gather(1, block_B) - mass_BKJ.sum(-1).double().gather(1, block_B)
    inside_BJ = mass_BKJ[torch.arange(rows, device=mass_BV.device), block_B[:, 0]].double().cumsum(-1)
    # Rounding may carry the target to the block's end: stay on the last token that has mass.
    within_B = torch.minimum(target_B - before_B, inside_BJ[:, -1:] * (1 - 2.0**-52)).clamp_(min=0.0)
    place_B = torch.searchsorted(inside_BJ, within_B, right=True)
    tokens_B = (block_B * BLOCK + place_B)[:, 0]
    chosen_B = mass_BV.gather(1, tokens_B[:, None])[:, 0].double()
    return Draw(tokens_B, chosen_B.log() - total_B.log())


def nucleus_floor(mass_BV: Tensor, top_p: float) -> Tensor:
    """(B, 1): the mass of the least likely token of each row's nucleus."""
    wanted_B = mass_BV.sum(-1, keepdim=True, dtype=torch.float64) * top_p
    vocabulary = mass_BV.shape[-1]
    for k in (min(64, vocabulary), min(1024, vocabulary), vocabulary):
        top_BK = mass_BV.topk(k, dim=-1).values
        cumulated_BK = top_BK.cumsum(-1, dtype=torch.float64)
        if k == vocabulary or bool((cumulated_BK[:, -1:] >= wanted_B).all()):
            break
    last_B = torch.searchsorted(cumulated_BK, wanted_B).clamp_(max=k - 1)
    return top_BK.gather(1, last_B)
