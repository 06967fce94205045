"""Many sampled answers to many prompts: each prompt computed once, finished rows dropped, randomness per row.

Works through a transformers model's own KV cache. Batches are planned by length; a batch's prompts are padded
on the left and run once, the cache is repeated for the answers of each prompt, and rows leave as they finish.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from truenorth.base import uniform
from truenorth.models.drawing import Draw, draw, greedy

Halt = Callable[
    [int, Sequence[int]], bool
]  # (prompt number, tokens so far) -> has a stop string been written?


class Ask(NamedTuple):
    """One prompt and the seeds of the answers wanted."""

    ids: Sequence[int]
    seeds: Sequence[int]
    limit: int  # most new tokens, at least 1


class Drawn(NamedTuple):
    """One sampled answer; a token that ended it is included."""

    tokens: tuple[int, ...]
    logprob: float  # nats, summed
    finish: Literal["stop", "length"]


def plan(asks: Sequence[Ask], *, batch_tokens: int, batch_rows: int) -> list[list[int]]:
    """Numbers of the asks in each batch: longest first, together at most `batch_tokens` cache places and
    `batch_rows` answers, but always at least one ask."""
    order = sorted(range(len(asks)), key=lambda i: (-len(asks[i].ids), -asks[i].limit, i))
    batches: list[list[int]] = []
    rows = places = 0
    for i in order:
        ask = asks[i]
        need = len(ask.seeds)
        if batches:
            first = asks[batches[-1][0]]
            places = (rows + need) * (len(first.ids) + max(first.limit, ask.limit))
        if not batches or rows + need > batch_rows or places > batch_tokens:
            batches.append([])
            rows = 0
        batches[-1].append(i)
        rows += need
    return batches


@torch.inference_mode()
def sample_batch(
    module: Any,
    asks: Sequence[Ask],
    *,
    eos_ids: frozenset[int],
    pad_id: int,
    temperature: float = 1.0,
    top_p: float = 1.0,
    halt: Halt | None = None,
) -> list[list[Drawn]]:
    """The answers of one batch of asks, in order. Temperature 0 is greedy."""
    device = module.device
    length = max(len(ask.ids) for ask in asks)
    padded = [[pad_id] * (length - len(ask.ids)) + list(ask.ids) for ask in asks]
    ids_PT = torch.tensor(padded, device=device)
    lengths_P = torch.tensor([len(ask.ids) for ask in asks], device=device)
    mask_PT = torch.arange(length, device=device) >= (length - lengths_P)[:, None]
    positions_PT = (mask_PT.cumsum(-1) - 1).clamp_(min=0)
    out = forward(module, ids_PT, mask_PT, positions_PT, None)

    counts = torch.tensor([len(ask.seeds) for ask in asks], device=device)
    owner = [p for p, ask in enumerate(asks) for _ in ask.seeds]
    seeds_R = np.array([seed for ask in asks for seed in ask.seeds], dtype=np.uint64)
    limits = [asks[p].limit for p in owner]
    prompt_R = torch.repeat_interleave(torch.arange(len(asks), device=device), counts)
    cache = out.past_key_values
    if len(owner) != len(asks) or any(len(ask.seeds) != 1 for ask in asks):
        cache.batch_select_indices(prompt_R)
    logits_RV = out.logits[:, -1][prompt_R]
    mask_RT, positions_R1 = mask_PT[prompt_R], lengths_P[prompt_R][:, None]

    tokens: list[list[int]] = [[] for _ in owner]
    sums = [0.0] * len(owner)
    finish: list[Literal["stop", "length"]] = ["length"] * len(owner)
    live = list(range(len(owner)))
    step = 0
    while True:
        drawn = _draw(logits_RV, seeds_R, step, temperature, top_p)
        step += 1
        keep = []
        for place, (row, token, logprob) in enumerate(
            zip(live, drawn.tokens_B.tolist(), drawn.logprobs_B.tolist())
        ):
            tokens[row].append(token)
            sums[row] += logprob
            if token in eos_ids or (halt is not None and halt(owner[row], tokens[row])):
                finish[row] = "stop"
            elif step < limits[row]:
                keep.append(place)
        if not keep:
            break
        next_R1 = drawn.tokens_B[:, None]
        if len(keep) < len(live):
            index = torch.tensor(keep, device=device)
            cache.batch_select_indices(index)
            next_R1, mask_RT, positions_R1 = next_R1[index], mask_RT[index], positions_R1[index]
            seeds_R, live = seeds_R[keep], [live[place] for place in keep]
        mask_RT = torch.cat([mask_RT, mask_RT.new_ones(len(live), 1)], dim=1)
        out = forward(module, next_R1, mask_RT, positions_R1, cache)
        logits_RV, positions_R1 = out.logits[:, -1], positions_R1 + 1

    answers: list[list[Drawn]] = [[] for _ in asks]
    for row, prompt in enumerate(owner):
        answers[prompt].append(Drawn(tuple(tokens[row]), sums[row], finish[row]))
    return answers


def forward(module: Any, ids_BT: Tensor, mask_BS: Tensor, positions_BT: Tensor, cache: Any) -> Any:
    """The model's own forward pass, logits of the last position only."""
    more = {"position_ids": positions_BT} if takes_positions(module) else {}
    return module(
        input_ids=ids_BT,
        attention_mask=mask_BS.long(),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
        **more,
    )


def takes_positions(module: Any) -> bool:
    """Models with ALiBi (Bloom, MPT) work out positions from the mask and take none."""
    base = module.get_base_model() if hasattr(module, "get_base_model") else module
    return "position_ids" in inspect.signature(base.forward).parameters


def _draw(logits_RV: Tensor, seeds_R: np.ndarray, step: int, temperature: float, top_p: float) -> Draw:
    if temperature == 0.0:
        return greedy(logits_RV)
    uniforms_R = torch.from_numpy(uniform(seeds_R, step)).to(logits_RV.device)
    return draw(logits_RV, uniforms_R, temperature=temperature, top_p=top_p)
