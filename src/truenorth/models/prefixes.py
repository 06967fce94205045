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
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from truenorth.models.encoding import Pair
from truenorth.models.forward import Forward
from truenorth.models.head import BLOCK, Head
from truenorth.models.last_layer import last_layer
from truenorth.models.packed import Layout, Sequences
from truenorth.models.prefix_attention import attend, attention_blocks, blocks_at
from truenorth.models.protocol import Tick

CPU_TOKENS, TOKENS = 3072, 8192
TRIM = 0.5  # share of the tokens that may be read for the last layer to be computed at those alone
SLOTS = 4  # attention's places of a batch, for each token of its row at most
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
    forward: Forward, pairs: Sequence[Pair], *, batch_tokens: int | None = None, tick: Tick | None = None
) -> list[tuple[float, ...]]:
    """Per pair, the log-probability (nats) of each completion token, in the order asked.

    Args:
        pairs: prompts have at least one token.
        batch_tokens: different tokens of one batch; by default 3,072 on a CPU (its caches are small), else 8,192.
    """
    size = batch_tokens or (CPU_TOKENS if forward.device.type == "cpu" else TOKENS)
    scores: list[tuple[float, ...]] = [()] * len(pairs)
    with torch.inference_mode():
        for batch in _batches(pairs, size):
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
    """Tokens with which both begin, alike.

    >>> common((1, 2, 3), (1, 2, 4, 5)), common((1, 2), (1, 2, 3)), common((1,), (2,))
    (2, 2, 0)
    """
    low, high = 0, min(len(a), len(b))
    while low < high:  # whole slices are compared at once, many times as fast as token by token
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


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
    last = None
    if forward.trims and len(needed) < TRIM * len(ids):
        last = partial(attend, blocks_at(paths, tree.shared, needed, forward.device))
    layout = Layout(ids_N, positions_N, row_U, none, (), unused, partial(attend, blocks), last)
    return forward.rows([], layout), row_of


def trims(forward: Forward, tolerance: float) -> bool:
    """Whether a model may compute its last layer only where it is read: tried on a tiny tree, nats apart at most."""
    if forward.path != "packed" or last_layer(forward.body) is None:
        return False
    vocabulary = forward.module.get_input_embeddings().weight.shape[0]
    draw: list[int] = np.random.default_rng(0).integers(0, min(vocabulary, 1000), 40).tolist()
    pairs = [
        Pair(draw[:20], draw[20:22]),
        Pair(draw[:20], draw[22:23]),
        Pair([*draw[:9], *draw[23:34]], draw[34:37]),
    ]
    pairs.sort(key=_shown)
    with torch.no_grad():
        plain = _score(forward, pairs)
        try:
            narrow = _score(replace(forward, trims=True), pairs)
        except (TypeError, AttributeError, NotImplementedError, ValueError, RuntimeError, KeyError):
            return False  # the layer is built otherwise: it is computed whole
    apart = [abs(a - b) for one, other in zip(plain, narrow) for a, b in zip(one, other)]
    return max(apart) <= tolerance


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
