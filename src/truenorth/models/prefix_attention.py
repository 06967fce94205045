"""Attention over a tree of sequences laid in one row: each token once as a query, its whole past as keys.

See `prefixes.py`. Sequences of like size attend together, padded at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from truenorth.models.packed import capped

STEP = 0.1  # natural logarithm of sizes that attend together: 10 %


@dataclass(frozen=True, eq=False)
class Block:
    """Sequences of like size whose new tokens attend together; padded at the end."""

    query_CQ: Tensor  # where the new tokens of each sequence stand in the row
    key_CK: Tensor  # where all of its tokens do
    place_CQ: Tensor  # how many of its tokens come before each new one
    whole: bool  # all of its tokens are new, in all of them
    real_T: Tensor  # which of the C x Q places are not padding
    token_T: Tensor  # and their tokens
    masks: dict[Any, Tensor] = field(default_factory=dict)  # made in the first layer, for all

    def seen(self, window: int | None) -> Tensor:
        """(C, Q, K) may this new token see that one? Itself and those before it, within the window if there is one."""
        after_K = torch.arange(self.key_CK.shape[1], device=self.place_CQ.device)
        distance_CQK = self.place_CQ[:, :, None] - after_K
        seen_CQK = distance_CQK >= 0
        return seen_CQK if window is None else seen_CQK & (distance_CQK < window)

    def mask(self, window: int | None, dtype: torch.dtype) -> Tensor:
        """(C, 1, Q, K): 0 where it may, -inf where not."""
        if (window, dtype) not in self.masks:
            hidden = self.seen(window).logical_not_()[:, None]
            self.masks[window, dtype] = torch.zeros(
                hidden.shape, dtype=dtype, device=hidden.device
            ).masked_fill_(hidden, float("-inf"))
        return self.masks[window, dtype]


def attention_blocks(
    paths: Sequence[NDArray[np.int64]], shared: Sequence[int], device: torch.device
) -> list[Block]:
    """Every token of the row in one block, as a query."""
    return blocks_of(paths, [np.arange(kept, len(path)) for path, kept in zip(paths, shared)], device)


def blocks_at(
    paths: Sequence[NDArray[np.int64]],
    shared: Sequence[int],
    needed: NDArray[np.int64],
    device: torch.device,
) -> list[Block]:
    """As `attention_blocks`, of these tokens of the row alone."""
    asked = [kept + np.flatnonzero(np.isin(path[kept:], needed)) for path, kept in zip(paths, shared)]
    some = [i for i, places in enumerate(asked) if len(places)]
    return blocks_of([paths[i][: asked[i][-1] + 1] for i in some], [asked[i] for i in some], device)


def blocks_of(
    paths: Sequence[NDArray[np.int64]], asked: Sequence[NDArray[np.int64]], device: torch.device
) -> list[Block]:
    """Sequences whose places `asked` (ascending, one at least) are queries and all of whose tokens are keys."""
    alike: dict[tuple[int, int, bool], list[int]] = {}
    for i, (path, places) in enumerate(zip(paths, asked)):
        size = (int(np.log(len(places)) / STEP), int(np.log(len(path)) / STEP), len(places) == len(path))
        alike.setdefault(size, []).append(i)
    blocks = []
    for members in alike.values():
        query_CQ, real_CQ = _rectangle([paths[i][asked[i]] for i in members])
        key_CK, _ = _rectangle([paths[i] for i in members])
        place_CQ, _ = _rectangle([asked[i] for i in members])
        real = np.flatnonzero(real_CQ)
        arrays = (query_CQ, key_CK, place_CQ, real, query_CQ.ravel()[real])
        query, key, place, real_T, token_T = (torch.as_tensor(x).to(device) for x in arrays)
        whole = all(len(asked[i]) == len(paths[i]) for i in members)
        blocks.append(Block(query, key, place, whole, real_T, token_T))
    return blocks


def _rectangle(rows: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Rows padded at the end with 0, and where they are not padding."""
    real = np.arange(max(map(len, rows))) < np.array([[len(row)] for row in rows])
    out = np.zeros(real.shape, dtype=np.int64)
    out[real] = np.concatenate(rows)
    return out, real


def attend(
    blocks: Sequence[Block],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scaling: float | None,
    window: int | None,
    softcap: float | None,
) -> Tensor:
    """(N, H, D) from query (1, H, N, D) and key and value (1, H or fewer, N, D); see `packed.attend`.

    Zero where a token is no query of any block.
    """
    q_NHD, k_NHD, v_NHD = (x[0].transpose(0, 1) for x in (query, key, value))
    out_NHD = torch.zeros_like(q_NHD)
    for block in blocks:
        q_CHQD, k_CHKD, v_CHKD = (
            x.index_select(0, at.flatten()).unflatten(0, at.shape).transpose(1, 2)
            for x, at in ((q_NHD, block.query_CQ), (k_NHD, block.key_CK), (v_NHD, block.key_CK))
        )
        if softcap is None:
            mask = None if _plain(block, window) else block.mask(window, query.dtype)
            out = F.scaled_dot_product_attention(
                q_CHQD,
                k_CHKD,
                v_CHKD,
                attn_mask=mask,
                is_causal=mask is None,
                scale=scaling,
                enable_gqa=k_CHKD.shape[1] != q_CHQD.shape[1],
            )
        else:
            out = capped(q_CHQD, k_CHKD, v_CHKD, block.seen(window)[:, None], scaling, softcap)
        out_NHD[block.token_T] = out.transpose(1, 2).flatten(0, 1).index_select(0, block.real_T)
    return out_NHD


def _plain(block: Block, window: int | None) -> bool:
    """Does causal order say it all?"""
    return block.whole and (window is None or block.key_CK.shape[1] <= window)
