"""Log-probabilities of given completions: batched and padded, through the model's own forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from truenorth.models.encoding import Pair
from truenorth.models.protocol import Tick
from truenorth.models.sampling import takes_positions
from truenorth.models.virtual import unwrapped

LOGITS = 50_000_000  # most logits at a time: 200 MB in float32


@torch.inference_mode()
def score(
    module: Any,
    pairs: Sequence[Pair],
    *,
    pad_id: int,
    batch_tokens: int = 16_384,
    padding: str = "right",
    tick: Tick | None = None,
) -> list[tuple[float, ...]]:
    """Per pair, the log-probability (nats) of each completion token, in the order asked.

    Args:
        pairs: prompts have at least one token.
        batch_tokens: padded tokens of one batch; fewer where the vocabulary is large.
        padding: "right" or "left"; the result does not depend on it.
    """
    module = unwrapped(module)
    vocabulary = module.get_input_embeddings().num_embeddings
    batch_tokens = min(batch_tokens, max(64, LOGITS // vocabulary))
    order = sorted(range(len(pairs)), key=lambda i: -len(pairs[i].prompt) - len(pairs[i].completion))
    scores: list[tuple[float, ...]] = [()] * len(pairs)
    start = 0
    while start < len(order):
        first = pairs[order[start]]
        rows = max(1, batch_tokens // max(1, len(first.prompt) + len(first.completion)))
        batch = order[start : start + rows]
        for i, row in zip(batch, _score_batch(module, [pairs[i] for i in batch], pad_id, padding)):
            scores[i] = row
        if tick is not None:
            tick(len(batch))
        start += rows
    return scores


def _score_batch(module: Any, pairs: Sequence[Pair], pad_id: int, padding: str) -> list[tuple[float, ...]]:
    device = module.device
    lengths = [len(p) + len(c) for p, c in pairs]
    width = max(lengths)
    starts = [width - length if padding == "left" else 0 for length in lengths]
    ids_BT = torch.full((len(pairs), width), pad_id)
    mask_BT = torch.zeros((len(pairs), width), dtype=torch.long)
    for b, (pair, start, length) in enumerate(zip(pairs, starts, lengths)):
        ids_BT[b, start : start + length] = torch.tensor([*pair.prompt, *pair.completion])
        mask_BT[b, start : start + length] = 1
    positions_BT = (mask_BT.cumsum(-1) - 1).clamp_(min=0)
    more = {"position_ids": positions_BT.to(device)} if takes_positions(module) else {}
    # Positions before the first completion token do not go through the head.
    earliest = min(start + len(pair.prompt) for pair, start in zip(pairs, starts)) - 1
    logits_BTV = module(
        input_ids=ids_BT.to(device),
        attention_mask=mask_BT.to(device),
        use_cache=False,
        logits_to_keep=width - earliest,
        **more,
    ).logits
    rows = []
    for b, (pair, start) in enumerate(zip(pairs, starts)):
        at = start + len(pair.prompt) - 1 - earliest
        logits_TV = logits_BTV[b, at : at + len(pair.completion)].float()
        target_T = torch.tensor(pair.completion, device=device)
        picked_T = logits_TV.gather(1, target_T[:, None])[:, 0] if len(pair.completion) else logits_TV[:, 0]
        rows.append(tuple((picked_T.double() - logits_TV.double().logsumexp(-1)).tolist()))
    return rows
