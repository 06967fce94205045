"""A KV cache that holds each prompt once for all its answers, and attention that reads it so.

While answers grow, transformers' own cache repeats the prompt for each of them and copies everything at every
token. Here keys and values of the prompts stay where the prefill left them, those of the answers go into
memory set aside once, and when a row finishes the last row moves into its place. Attention multiplies the
queries of all answers of a prompt with its keys together. Plugged into any model through transformers'
attention registry.

Left out: sliding windows shorter than the text, attention sinks, ALiBi, recurrent layers. `sampling.py` finds
out by comparing with the model's own cache, and takes that instead.

Source: Juravsky et al., "Hydragen: High-Throughput LLM Inference with Shared Prefixes" (2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import (
    Cache,
    CacheLayerMixin,
    DynamicCache,
    DynamicLayer,
    DynamicSlidingWindowLayer,
)

from truenorth.models.attending import attending

NAME = "truenorth_shared_prompt"


class Unsupported(Exception):
    """This model's cache has layers that cannot be shared."""


@dataclass
class Groups:
    """Which rows answer which prompt. A prompt has S places for its rows, some of them unused."""

    hidden_P11T: Tensor | None  # -inf where a prompt is padding; None: no padding
    row_Q: Tensor | None  # the row in each of the P x S places (any row, where unused); None: places are rows
    place_R: Tensor | None  # the place of each row

    @classmethod
    def of(cls, prompt_of: Sequence[int], mask_PT: Tensor) -> Groups:
        """Args: prompt_of: number of each row's prompt. mask_PT: False where a prompt is padding."""
        prompts, device = len(mask_PT), mask_PT.device
        rows: list[list[int]] = [[] for _ in range(prompts)]
        for row, prompt in enumerate(prompt_of):
            rows[prompt].append(row)
        width = max(map(len, rows))
        places = [own + [0] * (width - len(own)) for own in rows]
        row_q = [row for own in places for row in own]
        hidden = None
        if not bool(mask_PT.all()):
            hidden = torch.zeros(mask_PT.shape, device=device).masked_fill(~mask_PT, float("-inf"))
            hidden = hidden[:, None, None, :]
        if row_q == list(range(len(prompt_of))):
            return cls(hidden, None, None)
        place = [0] * len(prompt_of)
        for prompt, own in enumerate(rows):
            for k, row in enumerate(own):
                place[row] = prompt * width + k
        return cls(hidden, torch.tensor(row_q, device=device), torch.tensor(place, device=device))

    def spread(self, x_R: Tensor) -> Tensor:
        """Rows to places."""
        return x_R if self.row_Q is None else x_R.index_select(0, self.row_Q)

    def gather(self, x_Q: Tensor) -> Tensor:
        """Places to rows."""
        return x_Q if self.place_R is None else x_Q.index_select(0, self.place_R)


class Shelf(CacheLayerMixin):
    """One layer: keys and values of P prompts, and of R rows with space for M tokens each."""

    is_sliding = False

    keys: Tensor
    values: Tensor

    def __init__(self, keys_PKTD: Tensor, values_PKTD: Tensor, rows: int, space: int):
        super().__init__()
        self.prompt_keys_PKTD, self.prompt_values_PKTD = keys_PKTD, values_PKTD
        heads, length = keys_PKTD.shape[1], keys_PKTD.shape[2]
        self.keys = keys_PKTD.new_empty(rows, heads, space, keys_PKTD.shape[3])
        self.values = values_PKTD.new_empty(rows, heads, space, values_PKTD.shape[3])
        self.start, self.length = length, 0
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Everything is set aside already."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Store one more token of each row. Attention reads the shelf, not what this returns."""
        rows = key_states.shape[0]
        self.keys[:rows, :, self.length] = key_states[:, :, 0]
        self.values[:rows, :, self.length] = value_states[:, :, 0]
        self.length += 1
        return key_states, value_states

    def get_seq_length(self) -> int:
        return self.start + self.length

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        return self.start + self.keys.shape[2]

    def move(self, source: Tensor, target: Tensor) -> None:
        """Rows `source` take the places of rows `target`."""
        self.keys[target, :, : self.length] = self.keys[source, :, : self.length]
        self.values[target, :, : self.length] = self.values[source, :, : self.length]

    def keep_prompts(self, index: Tensor) -> None:
        self.prompt_keys_PKTD = self.prompt_keys_PKTD.index_select(0, index)
        self.prompt_values_PKTD = self.prompt_values_PKTD.index_select(0, index)


class SharedCache:
    """The cache of a batch: `prompt_of[r]` is the prompt that row r answers."""

    def __init__(self, prefilled: DynamicCache, mask_PT: Tensor, prompt_of: Sequence[int], space: int):
        """
        Args:
            prefilled: the model's own cache after the prompts, P rows padded on the left.
            space: most tokens that a row will add.

        Raises:
            Unsupported: it has layers of another kind, or a window shorter than the text.
        """
        layers: list[Any] = prefilled.layers
        for layer in layers:
            window = layer.sliding_window if getattr(layer, "is_sliding", False) else None
            fits = window is not None and mask_PT.shape[1] + space < window
            if type(layer) is not DynamicLayer and not (type(layer) is DynamicSlidingWindowLayer and fits):
                raise Unsupported(type(layer).__name__)
        self.shelves = [Shelf(layer.keys, layer.values, len(prompt_of), space) for layer in layers]
        self.cache = Cache(layers=[*self.shelves])
        self.mask_PT, self.prompt_of = mask_PT, list(prompt_of)
        self.groups = Groups.of(self.prompt_of, mask_PT)

    def keep(self, order: Sequence[int], moves: Sequence[tuple[int, int]]) -> None:
        """Drop rows: row i becomes what row `order[i]` was; `moves` are the (source, target) pairs of it."""
        device = self.mask_PT.device
        self.prompt_of = [self.prompt_of[row] for row in order]
        if moves:
            source, target = torch.tensor(moves, device=device).T
            for shelf in self.shelves:
                shelf.move(source, target)
        left = sorted(set(self.prompt_of))
        if 2 * len(left) <= len(self.mask_PT):
            index = torch.tensor(left, device=device)
            for shelf in self.shelves:
                shelf.keep_prompts(index)
            self.mask_PT = self.mask_PT[index]
            self.prompt_of = [left.index(prompt) for prompt in self.prompt_of]
        self.groups = Groups.of(self.prompt_of, self.mask_PT)


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    shared_cache: SharedCache,
    scaling: float | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """(R, 1, H, D): one token of each row attends to its prompt and to its own past; exact, one softmax."""
    shelf, groups = shared_cache.shelves[module.layer_idx], shared_cache.groups
    rows, heads, _one, width = query.shape
    kv_heads, (prompts, _k, length, _d) = key.shape[1], shelf.prompt_keys_PKTD.shape
    share = heads // kv_heads
    q_RKGD = query.reshape(rows, kv_heads, share, width) * (width**-0.5 if scaling is None else scaling)
    own_keys, own_values = shelf.keys[:rows, :, : shelf.length], shelf.values[:rows, :, : shelf.length]

    q_PKJD = _together(groups.spread(q_RKGD), prompts)
    scores_PKJT = q_PKJD @ shelf.prompt_keys_PKTD.transpose(-1, -2)
    if softcap is not None:
        scores_PKJT = softcap * torch.tanh(scores_PKJT / softcap)
    if groups.hidden_P11T is not None:
        scores_PKJT = scores_PKJT + groups.hidden_P11T.to(scores_PKJT.dtype)
    scores_RKGO = q_RKGD @ own_keys.transpose(-1, -2)
    if softcap is not None:
        scores_RKGO = softcap * torch.tanh(scores_RKGO / softcap)
    both = torch.cat([groups.gather(_apart(scores_PKJT, share)), scores_RKGO], dim=-1)
    weights = torch.softmax(both, dim=-1, dtype=torch.float32).to(query.dtype)
    from_prompt = _together(groups.spread(weights[..., :length]), prompts) @ shelf.prompt_values_PKTD
    out_RKGD = groups.gather(_apart(from_prompt, share)) + weights[..., length:] @ own_values
    return out_RKGD.reshape(rows, 1, heads, -1), None


def _together(x_QKGD: Tensor, prompts: int) -> Tensor:
    """(P x S, K, G, D) to (P, K, S x G, D)."""
    places, kv_heads, share, width = x_QKGD.shape
    x = x_QKGD.reshape(prompts, places // prompts, kv_heads, share, width).transpose(1, 2)
    return x.reshape(prompts, kv_heads, -1, width)


def _apart(x_PKJD: Tensor, share: int) -> Tensor:
    """(P, K, S x G, D) to (P x S, K, G, D)."""
    prompts, kv_heads, both, width = x_PKJD.shape
    x = x_PKJD.view(prompts, kv_heads, both // share, share, width).transpose(1, 2)
    return x.reshape(-1, kv_heads, share, width)


def shared_attention(module: torch.nn.Module) -> AbstractContextManager[None]:
    """Within it, `module` attends through `attend`; afterwards as before. Not for two threads at once."""
    return attending(module, NAME, attend)
