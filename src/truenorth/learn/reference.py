"""What the reference model says of the examples: computed once, before the first step, and kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from truenorth.learn.order import micro_batches
from truenorth.learn.reference_cache import kept
from truenorth.learn.types import Example, Needs
from truenorth.models.forward import Forward
from truenorth.models.head import Head, blocks, target_logps

BLOCK_TOKENS = 1024  # tokens of one forward pass


class Reference(NamedTuple):
    """One task's reference: per example its tokens' log-probs (T,), or what the head reads (T, D).

    With `top`, (T, 1 + 2 top): a token's log-prob, those of the likeliest words in its place, and which they are.
    """

    values: dict[int, Tensor]
    head: Head | None = None  # for distributions: turns rows into logits
    top: int = 0


def completion_logps(forward: Forward, examples: Sequence[Example]) -> Iterator[tuple[int, Tensor]]:
    """(index, (T,) float32 log-probs of all its completions' tokens) of each example, without gradient."""
    for at in micro_batches(examples, BLOCK_TOKENS):
        rows_TD, layout = _rows(forward, examples[at])
        logp_T = target_logps(forward.head, rows_TD, layout.target_T).cpu()
        yield from _cut(logp_T, examples, at)


def completion_rows(forward: Forward, examples: Sequence[Example]) -> Iterator[tuple[int, Tensor]]:
    """(index, (T, D) what the head reads at each completion token) of each example, without gradient."""
    for at in micro_batches(examples, BLOCK_TOKENS):
        yield from _cut(_rows(forward, examples[at])[0].cpu(), examples, at)


def completion_top(
    forward: Forward, examples: Sequence[Example], *, top: int
) -> Iterator[tuple[int, Tensor]]:
    """(index, (T, 1 + 2 top) as `Reference` holds it) of each example, without gradient."""
    for at in micro_batches(examples, BLOCK_TOKENS):
        rows_TD, layout = _rows(forward, examples[at])
        parts = []
        for _, block in blocks([1] * len(rows_TD), forward.head.vocabulary(rows_TD)):
            with torch.no_grad():
                logp_tV = forward.head.logits(rows_TD[block]).log_softmax(1)
                own_t1 = logp_tV.gather(1, layout.target_T[block, None])
                most = logp_tV.topk(top, 1)
                parts.append(torch.cat([own_t1, most.values, most.indices.float()], 1).cpu())
        yield from _cut(torch.cat(parts), examples, at)


def _rows(forward: Forward, examples: Sequence[Example]) -> tuple[Tensor, Any]:
    layout = forward.lay_out(examples)
    with torch.no_grad():
        return forward.rows(examples, layout), layout


def _cut(values: Tensor, examples: Sequence[Example], at: slice) -> Iterator[tuple[int, Tensor]]:
    start = 0
    for i in range(at.start, at.stop):
        length = sum(map(len, examples[i].completions))
        yield i, values[start : start + length].clone()
        start += length


def compute_reference(
    forward: Forward,
    examples: Sequence[Example],
    used: Sequence[int],
    needs: Needs,
    *,
    fixed_head: bool,
    folder: Path | None = None,
    model: str = "",
) -> Reference:
    """The reference of the examples that training will use.

    Args:
        fixed_head: nobody trains this model's head, so distributions need no copy of it.
        folder: where to keep what it says, and to look for it first.
        model: a fingerprint of the model, where there is a folder.
    """
    chosen = [examples[i] for i in used]
    top = min(int(needs.settings.get("top_k", 0)), forward_words(forward)) if needs.kl else 0
    whole = not top and (needs.coupling == "distribution" or needs.kl)
    read = partial(completion_top, top=top) if top else completion_rows if whole else completion_logps
    values = kept(
        folder,
        [model, whole, forward.path, str(forward.compute), *([top] if top else [])],
        examples,
        used,
        lambda: {used[i]: v for i, v in read(forward, chosen)},
    )
    if not whole:
        return Reference(values, top=top)
    return Reference(values, forward.head if fixed_head else forward.head.frozen())


def forward_words(forward: Forward) -> int:
    """How many words a model's head tells apart."""
    weight = forward.head.weight_VD
    return forward.module.config.get_text_config().vocab_size if weight is None else weight.shape[0]
