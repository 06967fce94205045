"""What the reference model says of the examples: computed once, before the first step, and kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from truenorth.learn.order import micro_batches
from truenorth.learn.reference_cache import kept
from truenorth.learn.types import Example, Needs
from truenorth.models.forward import Forward
from truenorth.models.head import Head, target_logps

BLOCK_TOKENS = 1024  # tokens of one forward pass


class Reference(NamedTuple):
    """One task's reference: per example its tokens' log-probs (T,), or what the head reads (T, D)."""

    values: dict[int, Tensor]
    head: Head | None = None  # for distributions: turns rows into logits


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
    whole = needs.coupling == "distribution" or needs.kl
    read = completion_rows if whole else completion_logps
    values = kept(
        folder,
        [model, whole, forward.path, str(forward.compute)],
        examples,
        used,
        lambda: {used[i]: v for i, v in read(forward, chosen)},
    )
    if not whole:
        return Reference(values)
    return Reference(values, forward.head if fixed_head else forward.head.frozen())


@contextmanager
def adapters_off(module: Any) -> Iterator[None]:
    """The model as it was before its adapter, where it has one."""
    if not hasattr(module, "disable_adapter"):
        yield
        return
    with module.disable_adapter():
        yield
