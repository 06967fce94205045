"""Which examples a step sees, how it is cut to fit memory, how fast it learns: functions of the step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np

from truenorth.base import seed_of
from truenorth.learn.types import Example

Schedule = Literal["cosine", "linear", "constant"]
CPU_TOKENS, CUDA_TOKENS = 1536, 16_384  # of one forward pass in training, by default


def batch_at(step: int, *, size: int, examples: int, seed: int, name: str) -> list[int]:
    """Indices of a task's examples at `step`: each epoch is a new permutation, cut into batches.

    A function of its arguments only, so a run resumed at any step goes on as if it had not stopped.
    """
    size = min(size, examples)
    places = range(step * size, (step + 1) * size)
    return [int(_permutation(examples, seed, name, p // examples)[p % examples]) for p in places]


@lru_cache(maxsize=64)
def _permutation(examples: int, seed: int, name: str, epoch: int) -> np.ndarray:
    return np.random.default_rng(seed_of("order", seed, name, epoch)).permutation(examples)


def tokens_of(example: Example) -> int:
    """Tokens of the packed row that an example takes."""
    return len(example.prompt) + sum(len(c) - 1 for c in example.completions)


def micro_batches(examples: Sequence[Example], limit: int) -> Iterator[slice]:
    """Consecutive runs of at most `limit` tokens, one example at least."""
    start, tokens = 0, 0
    for i, example in enumerate(examples):
        size = tokens_of(example)
        if tokens + size > limit and i > start:
            yield slice(start, i)
            start, tokens = i, 0
        tokens += size
    if start < len(examples):
        yield slice(start, len(examples))


def even_batches(examples: Sequence[Example], limit: int) -> list[slice]:
    """As few runs as `micro_batches` cuts, with the longest as short as it can be.

    A greedy cut of 1,100 tokens at 1,024 leaves a run of 76, whose matrix products are too small to be fast.
    """
    fewest = list(micro_batches(examples, limit))
    low, high = max(map(tokens_of, examples), default=0), limit  # `high` always gives as few
    while low < high:
        middle = (low + high) // 2
        if sum(1 for _ in micro_batches(examples, middle)) == len(fewest):
            high = middle
        else:
            low = middle + 1
    return list(micro_batches(examples, high))


def rate_at(step: int, *, steps: int, lr: float, schedule: Schedule, warmup: float) -> float:
    """The learning rate of `step` (from 0): linear warm-up, then cosine or linear to zero, or constant.

    Args:
        warmup: steps, or a fraction of `steps` when below 1.
    """
    warm = warmup * steps if warmup < 1 else warmup
    if step < warm:
        return lr * (step + 1) / (math.ceil(warm) + 1)
    done = (step - warm) / max(1.0, steps - warm)
    if schedule == "cosine":
        return lr * 0.5 * (1 + math.cos(math.pi * done))
    return lr * (1 - done) if schedule == "linear" else lr
