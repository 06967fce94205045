"""Many sampled answers to many prompts: each prompt computed once, finished rows dropped, randomness per row.

Batches are planned by length. A batch's prompts are padded on the left and run once; then all answers grow by
a token at a time through `SharedCache`, or through the model's own cache where a self-check finds that the
shared one is not exact.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from truenorth.base import uniform
from truenorth.models.drawing import Draw, draw, greedy
from truenorth.models.shared_cache import SharedCache, Unsupported, shared_attention
from truenorth.models.virtual import Virtual, unwrapped

Halt = Callable[
    [int, Sequence[int]], bool
]  # (prompt number, tokens so far) -> has a stop string been written?
TOLERANCE = 2e-3  # nats per token, in the self-check; float32 differs by 1e-6 as a rule


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
    rows = limit = 0
    for i in order:
        ask = asks[i]
        if batches:
            first, count = asks[batches[-1][0]], len(batches[-1]) + 1
            limit = max(limit, ask.limit)
            places = count * len(first.ids) + (rows + len(ask.seeds)) * limit
        if not batches or rows + len(ask.seeds) > batch_rows or places > batch_tokens:
            batches.append([])
            rows, limit = 0, ask.limit
        batches[-1].append(i)
        rows += len(ask.seeds)
    return batches


class Decoder(Protocol):
    """Grows the rows of a batch by one token at a time."""

    def step(self, tokens_R: Tensor) -> Tensor:
        """(R, V) logits after these tokens."""
        ...

    def keep(self, order: Sequence[int], moves: Sequence[tuple[int, int]]) -> None:
        """Drop rows: row i becomes what row `order[i]` was; `moves` are the (source, target) pairs."""
        ...


class Begun(NamedTuple):
    """What the answers of a batch grow with, and the logits of their first tokens."""

    decoder: Decoder
    logits_RV: Tensor


Begin = Callable[[Any, Sequence[Ask], int, bool], Begun]  # (module, asks, padding, shared)


class Prefill(NamedTuple):
    """The prompts of a batch, computed."""

    cache: Any
    mask_PT: Tensor  # False where a prompt is padding
    lengths_P: Tensor
    logits_PV: Tensor  # after each prompt's last token


class OwnCache:
    """Through the model's own cache, of whatever kind, the prompt repeated for each row."""

    def __init__(self, module: Any, prefill: Prefill, prompt_of: Sequence[int]):
        index = torch.tensor(prompt_of, device=prefill.mask_PT.device)
        self.module, self.cache = module, prefill.cache
        self.cache.batch_select_indices(index)
        self.mask_RT, self.positions_R1 = prefill.mask_PT[index], prefill.lengths_P[index][:, None]

    def step(self, tokens_R: Tensor) -> Tensor:
        self.mask_RT = torch.cat([self.mask_RT, self.mask_RT.new_ones(len(tokens_R), 1)], dim=1)
        more = {"position_ids": self.positions_R1} if takes_positions(self.module) else {}
        out = self.module(
            input_ids=tokens_R[:, None],
            attention_mask=self.mask_RT.long(),
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
            **more,
        )
        self.positions_R1 = self.positions_R1 + 1
        return out.logits[:, -1]

    def keep(self, order: Sequence[int], moves: Sequence[tuple[int, int]]) -> None:
        index = torch.tensor(order, device=self.mask_RT.device)
        self.cache.batch_select_indices(index)
        self.mask_RT, self.positions_R1 = self.mask_RT[index], self.positions_R1[index]


class Shared:
    """Through `SharedCache`: the prompt held once, nothing copied. Runs inside `shared_attention`."""

    def __init__(self, module: Any, prefill: Prefill, prompt_of: Sequence[int], space: int):
        self.module = module
        self.shared = SharedCache(prefill.cache, prefill.mask_PT, prompt_of, space)
        index = torch.tensor(prompt_of, device=prefill.mask_PT.device)
        self.positions_R1 = prefill.lengths_P[index][:, None]

    def step(self, tokens_R: Tensor) -> Tensor:
        with shared_attention(self.module):
            out = self.module(
                input_ids=tokens_R[:, None],
                position_ids=self.positions_R1,
                past_key_values=self.shared.cache,
                use_cache=True,
                logits_to_keep=1,
                shared_cache=self.shared,
            )
        self.positions_R1 = self.positions_R1 + 1
        return out.logits[:, -1]

    def keep(self, order: Sequence[int], moves: Sequence[tuple[int, int]]) -> None:
        self.shared.keep(order, moves)
        self.positions_R1 = self.positions_R1[torch.tensor(order, device=self.positions_R1.device)]


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
    shared: bool = True,
    begin: Begin | None = None,
) -> list[list[Drawn]]:
    """The answers of one batch of asks, in order. Temperature 0 is greedy.

    Args:
        shared: the prompt held once for its answers (`can_share` says whether a model allows it).
        begin: what the answers grow with, where it is not the module alone (see `begun`).
    """
    module = unwrapped(module)
    owner = [p for p, ask in enumerate(asks) for _ in ask.seeds]
    limits = [asks[p].limit for p in owner]
    seeds_R = np.array([seed for ask in asks for seed in ask.seeds], dtype=np.uint64)
    decoder, logits_RV = (begin or begun)(module, asks, pad_id, shared)

    tokens: list[list[int]] = [[] for _ in owner]
    sums = [0.0] * len(owner)
    finish: list[Literal["stop", "length"]] = ["length"] * len(owner)
    live = list(range(len(owner)))
    step = 0
    while True:
        drawn = _draw(logits_RV, seeds_R, step, temperature, top_p)
        step += 1
        done: list[int] = []
        drawn_tokens = drawn.tokens_B.tolist()
        for place, (row, token, logprob) in enumerate(zip(live, drawn_tokens, drawn.logprobs_B.tolist())):
            tokens[row].append(token)
            sums[row] += logprob
            if token in eos_ids or (halt is not None and halt(owner[row], tokens[row])):
                finish[row] = "stop"
                done.append(place)
            elif step >= limits[row]:
                done.append(place)
        if len(done) == len(live):
            break
        next_R = drawn.tokens_B
        if done:
            order, moves = without(len(live), done)
            decoder.keep(order, moves)
            next_R, seeds_R = next_R[torch.tensor(order, device=next_R.device)], seeds_R[order]
            live = [live[place] for place in order]
        logits_RV = decoder.step(next_R)

    answers: list[list[Drawn]] = [[] for _ in asks]
    for row, prompt in enumerate(owner):
        answers[prompt].append(Drawn(tuple(tokens[row]), sums[row], finish[row]))
    return answers


def begun(module: Any, asks: Sequence[Ask], pad_id: int, shared: bool) -> Begun:
    """A model's own decoder for a batch of asks."""
    first = prefill(module, [ask.ids for ask in asks], pad_id)
    owner = [p for p, ask in enumerate(asks) for _ in ask.seeds]
    space = max(asks[p].limit for p in owner) - 1
    decoder = open_decoder(module, first, owner, space, shared=shared)
    return Begun(decoder, first.logits_PV[torch.tensor(owner, device=first.logits_PV.device)])


def without(rows: int, done: Sequence[int]) -> tuple[list[int], list[tuple[int, int]]]:
    """The order of the rows that stay, and the moves (source, target) that bring it about: the last rows go
    where the finished ones were, so that nothing else is copied.

    >>> without(5, [1, 4])
    ([0, 3, 2], [(3, 1)])
    """
    gone, left = set(done), rows - len(done)
    order = list(range(left))
    movers = [row for row in range(left, rows) if row not in gone]
    moves = list(zip(movers, (row for row in sorted(gone) if row < left)))
    for source, target in moves:
        order[target] = source
    return order, moves


def prefill(module: Any, prompts: Sequence[Sequence[int]], pad_id: int) -> Prefill:
    """Run the prompts once, padded on the left."""
    device = module.device
    length = max(map(len, prompts))
    ids_PT = torch.tensor([[pad_id] * (length - len(ids)) + list(ids) for ids in prompts], device=device)
    lengths_P = torch.tensor([len(ids) for ids in prompts], device=device)
    mask_PT = torch.arange(length, device=device) >= (length - lengths_P)[:, None]
    positions_PT = (mask_PT.cumsum(-1) - 1).clamp_(min=0)
    more = {"position_ids": positions_PT} if takes_positions(module) else {}
    out = module(input_ids=ids_PT, attention_mask=mask_PT.long(), use_cache=True, logits_to_keep=1, **more)
    return Prefill(out.past_key_values, mask_PT, lengths_P, out.logits[:, -1])


def open_decoder(module: Any, first: Prefill, owner: Sequence[int], space: int, *, shared: bool) -> Decoder:
    """The shared cache where it is wanted and this model's layers allow it at this length."""
    if shared:
        try:
            return Shared(module, first, owner, space)
        except Unsupported:
            pass
    return OwnCache(module, first, owner)


@torch.inference_mode()
def can_share(module: Any) -> bool:
    """Is the shared cache exact for this model? Compared with the model's own cache on a few tokens."""
    module = unwrapped(module)
    if not takes_positions(module) or isinstance(module, Virtual):
        return False
    size = module.get_input_embeddings().num_embeddings
    prompts = [[(7 * i + 3) % size for i in range(5)], [(5 * i + 2) % size for i in range(3)]]
    owner, tokens_R = [0, 0, 1], torch.tensor([1, 11, 4], device=module.device) % size
    results = []
    for shared in (False, True):
        try:
            first = prefill(module, prompts, 0)
            decoder = Shared(module, first, owner, 3) if shared else OwnCache(module, first, owner)
            decoder.step(tokens_R)
            decoder.keep(*without(3, [0]))
            logits_RV = decoder.step(tokens_R[1:])
        except (
            Unsupported,
            TypeError,
            AttributeError,
            KeyError,
            ValueError,
            RuntimeError,
            NotImplementedError,
        ):
            return False  # this architecture does not take such a cache or attention function
        results.append(logits_RV.float().log_softmax(-1))
    tolerance = TOLERANCE if module.dtype == torch.float32 else 0.25
    return bool((results[0] - results[1]).abs().max() <= tolerance)


def takes_positions(module: Any) -> bool:
    """Models with ALiBi (Bloom, MPT) work out positions from the mask and take none."""
    return "position_ids" in inspect.signature(unwrapped(module).forward).parameters


def _draw(logits_RV: Tensor, seeds_R: np.ndarray, step: int, temperature: float, top_p: float) -> Draw:
    if temperature == 0.0:
        return greedy(logits_RV)
    uniforms_R = torch.from_numpy(uniform(seeds_R, step)).to(logits_RV.device)
    return draw(logits_RV, uniforms_R, temperature=temperature, top_p=top_p)
