"""Log-probabilities of many completions at once, every token that sequences begin with in common computed once.

For verdicts (a rubric, a question and an answer asked about again and again) and for options of one question.
Sequences in alphabetical order form a tree. Each of its tokens stands once in one row (see `packed.py`), and
attention gathers, for the tokens that a sequence adds to those before it, the keys of the whole sequence. A
sequence that another begins with costs nothing, and a position that several completions start from goes through
the head once. Where a model cannot be packed, sequences are padded and only equal ones are shared. Without
gradients; `packed.lay_out` is for training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from truenorth.models.encoding import Pair
from truenorth.models.forward import Forward
from truenorth.models.head import BLOCK, Head
from truenorth.models.packed import Layout, Sequences, capped
from truenorth.models.protocol import Tick

SLOTS = 4  # attention's places of a batch, for each token of its row at most
STEP = 0.2  # natural logarithm of sizes that attend together: 22 %
Ids = tuple[int, ...]


class Leaf(NamedTuple):
    """A sequence that no other begins with, as a prompt and one completion: see `packed.Branching`."""

    prompt: Ids
    completions: tuple[Ids, ...]


class Tree(NamedTuple):
    """Sequences and where each began to differ from the one before."""

    leaves: list[Ids]
    shared: list[int]  # tokens in common with the leaf before
    leaf_of: list[int]  # the leaf that begins with each given sequence


def shared_scores(
    forward: Forward, pairs: Sequence[Pair], *, batch_tokens: int = 8192, tick: Tick | None = None
) -> list[tuple[float, ...]]:
    """Per pair, the log-probability (nats) of each completion token, in the order asked.

    Args:
        pairs: prompts have at least one token.
        batch_tokens: different tokens of one batch.
    """
    scores: list[tuple[float, ...]] = [()] * len(pairs)
    with torch.inference_mode():
        for batch in _batches(pairs, batch_tokens):
            for i, row in zip(batch, _score(forward, [pairs[i] for i in batch])):
                scores[i] = row
            if tick is not None:
                tick(len(batch))
    return scores


def _batches(pairs: Sequence[Pair], batch_tokens: int) -> Iterator[list[int]]:
    """Numbers of the pairs, those that begin alike together."""
    keys = [_shown(pair) for pair in pairs]
    batch: list[int] = []
    row = slots = 0
    for i in sorted(range(len(pairs)), key=keys.__getitem__):
        new = len(keys[i]) - (common(keys[batch[-1]], keys[i]) if batch else 0)
        if batch and (row + new > batch_tokens or slots + len(keys[i]) > SLOTS * batch_tokens):
            yield batch
            batch, row, slots, new = [], 0, 0, len(keys[i])
        batch.append(i)
        row += new
        slots += len(keys[i]) if new else 0
    if batch:
        yield batch


def _shown(pair: Pair) -> Ids:
    """What the model reads of a pair: the last token of the completion predicts nothing."""
    return (*pair.prompt, *pair.completion[:-1])


def tree_of(sequences: Sequence[Ids]) -> Tree:
    """The tree of sequences in alphabetical order.

    >>> tree_of([(1, 2), (1, 2, 3), (1, 4), (1, 4)])
    Tree(leaves=[(1, 2, 3), (1, 4)], shared=[0, 1], leaf_of=[0, 0, 1, 1])
    """
    leaves: list[Ids] = []
    shared: list[int] = []
    leaf_of = []
    for i, sequence in enumerate(sequences):
        leaf_of.append(len(leaves))
        after = sequences[i + 1] if i + 1 < len(sequences) else ()
        if after[: len(sequence)] != sequence:
            shared.append(common(leaves[-1], sequence) if leaves else 0)
            leaves.append(sequence)
    return Tree(leaves, shared, leaf_of)


def common(a: Sequence[int], b: Sequence[int]) -> int:
    """Tokens with which both begin, alike."""
    return next((k for k, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def _score(forward: Forward, pairs: Sequence[Pair]) -> list[tuple[float, ...]]:
    tree = tree_of([_shown(pair) for pair in pairs])
    rows_UD, row_of = (_packed if forward.path == "packed" else _padded)(forward, tree, pairs)
    target = np.array([t for pair in pairs for t in pair.completion], dtype=np.int64)
    logp = _picked(forward.head, rows_UD, row_of, target)
    ends = np.cumsum([len(pair.completion) for pair in pairs])
    return [tuple(part.tolist()) for part in np.split(logp, ends[:-1])]


def _packed(forward: Forward, tree: Tree, pairs: Sequence[Pair]) -> tuple[Tensor, NDArray[np.int64]]:
    """What the head reads (U, D), each position once, and the row of it for each completion token."""
    paths: list[NDArray[np.int64]] = []  # of each leaf, where its tokens stand in the row
    ids: list[int] = []
    for leaf, kept in zip(tree.leaves, tree.shared):
        own = np.arange(len(ids), len(ids) + len(leaf) - kept)
        paths.append(np.concatenate([paths[-1][:kept], own]) if paths else own)
        ids += leaf[kept:]
    at = np.concatenate(
        [paths[leaf][len(p) - 1 : len(p) - 1 + len(c)] for leaf, (p, c) in zip(tree.leaf_of, pairs)]
    )
    needed, row_of = np.unique(at, return_inverse=True)
    positions = np.zeros(len(ids), dtype=np.int64)
    for path, kept in zip(paths, tree.shared):
        positions[path[kept:]] = np.arange(kept, len(path))
    ids_N, positions_N, row_U = (
        torch.as_tensor(np.asarray(x, dtype=np.int64)).to(forward.device) for x in (ids, positions, needed)
    )
    none = torch.empty(0, dtype=torch.long)
    unused = Sequences((), none, none, none, none, identity=True)
    blocks = attention_blocks(paths, tree.shared, forward.device)
    layout = Layout(ids_N, positions_N, row_U, none, (), unused, partial(attend, blocks))
    return forward.rows([], layout), row_of


@dataclass(frozen=True, eq=False)
class Block:
    """Sequences of like size whose new tokens attend together; padded at the end."""

    query_CQ: Tensor  # where the new tokens of each sequence stand in the row
    key_CK: Tensor  # where all of its tokens do
    start_C1: Tensor  # its tokens before the new ones
    whole: bool  # there are none, in any of them
    real_T: Tensor  # which of the C x Q places are not padding
    token_T: Tensor  # and their tokens
    masks: dict[Any, Tensor] = field(default_factory=dict)  # made in the first layer, for all

    def seen(self, window: int | None) -> Tensor:
        """(C, Q, K) may this new token see that one? Itself and those before it, within the window if there is one."""
        device = self.start_C1.device
        new_CQ1 = (self.start_C1 + torch.arange(self.query_CQ.shape[1], device=device))[:, :, None]
        distance_CQK = new_CQ1 - torch.arange(self.key_CK.shape[1], device=device)
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
    alike: dict[tuple[int, int, bool], list[int]] = {}
    for i, (path, kept) in enumerate(zip(paths, shared)):
        size = (int(np.log(len(path) - kept) / STEP), int(np.log(len(path)) / STEP), kept == 0)
        alike.setdefault(size, []).append(i)
    blocks = []
    for members in alike.values():
        news = [paths[i][shared[i] :] for i in members]
        query_CQ, real_CQ = _rectangle(news)
        key_CK, _ = _rectangle([paths[i] for i in members])
        start_C1 = np.array([[shared[i]] for i in members])
        real = np.flatnonzero(real_CQ)
        arrays = (query_CQ, key_CK, start_C1, real, query_CQ.ravel()[real])
        query, key, start, real_T, token_T = (torch.as_tensor(x).to(device) for x in arrays)
        blocks.append(Block(query, key, start, not start_C1.any(), real_T, token_T))
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
    """(N, H, D) from query (1, H, N, D) and key and value (1, H or fewer, N, D); see `packed.attend`."""
    q_NHD, k_NHD, v_NHD = (x[0].transpose(0, 1) for x in (query, key, value))
    out_NHD = torch.empty_like(q_NHD)
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


def _padded(forward: Forward, tree: Tree, pairs: Sequence[Pair]) -> tuple[Tensor, NDArray[np.int64]]:
    """The same of models that cannot be packed."""
    first = [len(leaf) for leaf in tree.leaves]
    for leaf, pair in zip(tree.leaf_of, pairs):
        first[leaf] = min(first[leaf], len(pair.prompt))
    examples = [Leaf(leaf[:f], ((*leaf[f:], 0),)) for leaf, f in zip(tree.leaves, first)]
    starts = np.cumsum([0, *(len(leaf) - f + 1 for leaf, f in zip(tree.leaves, first))])
    row_of = np.concatenate(
        [
            np.arange(len(p), len(p) + len(c)) - first[leaf] + starts[leaf]
            for leaf, (p, c) in zip(tree.leaf_of, pairs)
        ]
    )
    return forward.rows(examples, forward.lay_out(examples)), row_of


def _picked(
    head: Head, rows_UD: Tensor, row_of: NDArray[np.int64], target: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Log-probability of each target at its row; every row goes through the head once, in blocks."""
    logp = np.empty(len(target))
    size = max(1, BLOCK // head.vocabulary(rows_UD))
    order = np.argsort(row_of, kind="stable")
    cuts = np.searchsorted(row_of[order], np.arange(0, len(rows_UD) + size, size))
    for k, (low, high) in enumerate(pairwise(cuts)):
        mine = order[low:high]
        logits_UV = head.logits(rows_UD[k * size : (k + 1) * size])
        u = torch.as_tensor(row_of[mine] - k * size, device=rows_UD.device)
        t = torch.as_tensor(target[mine], device=rows_UD.device)
        found = logits_UV[u, t].double() - logits_UV.logsumexp(1).double()[u]
        logp[mine] = found.cpu().numpy()
    return logp
