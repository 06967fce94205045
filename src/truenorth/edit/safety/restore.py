"""Restoring lost alignment: the few weights whose return moves harmful prompts back to where they were."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from truenorth.base import UserError
from truenorth.edit.arrays import Array, library, to_numpy
from truenorth.edit.method import reads
from truenorth.edit.plan import Step
from truenorth.edit.safety._edit import Chosen, edits, matrices, whole
from truenorth.edit.storage import read

Pieces = Callable[[], Iterator[np.ndarray]]


def cut_of(pieces: Pieces, count: int) -> float:
    """The value above which at most `count` of all values (>= 0, float32) lie, and as many as ties allow.

    Two passes and 2 x 65,536 counters, however many values: the bits of a float that is not negative rise with it,
    so the upper half of the bits is found first, the lower half then.
    """
    if count <= 0:
        return math.inf
    upper = np.zeros(1 << 16, np.int64)
    for values in pieces():
        upper += np.bincount(_bits(values) >> 16, minlength=1 << 16)
    whole_halves, kept = _least(upper, count)
    if whole_halves == 0:
        return -1.0
    split = whole_halves - 1  # of values with these upper bits some are kept
    lower = np.zeros(1 << 16, np.int64)
    for values in pieces():
        bits = _bits(values)
        lower += np.bincount(bits[bits >> 16 == split] & 0xFFFF, minlength=1 << 16)
    edge = (split << 16) + _least(lower, count - kept)[0] - 1  # the largest value that is not kept
    return float(np.array([edge], np.uint32).view(np.float32)[0])


def _least(counts: np.ndarray, count: int) -> tuple[int, int]:
    """The least place from which on at most `count` values lie, and how many do."""
    above = np.append(np.cumsum(counts[::-1])[::-1], 0)
    place = int(np.argmax(above <= count))
    return place, int(above[place])


def _bits(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float32).reshape(-1).view(np.uint32).astype(np.int64)


def candidates(model: Array, target: Array, gradient: Array) -> Array:
    """|g| where a step down the gradient leads from the model towards the target, 0 elsewhere."""
    towards = (model - target) * gradient > 0
    return abs(gradient) * towards


def steepest(steps: Sequence[Step], *, rate: float = 0.01) -> Chosen:
    """Every tensor, with the least gradient of the `rate` of all entries that are to return.

    Args:
        rate: share of all entries the edit reaches, 0.005 to 0.03 in all; 1 is every candidate.
    """
    if not 0 <= rate <= 1:
        raise UserError(f"rate {rate}", where="--set", expected="a share in [0, 1]")
    if not rate:
        return {}

    def pieces() -> Iterator[np.ndarray]:
        for step in steps:
            place = (step.statistics or {})["gradient"][0]
            assert place is not None
            gradient = read(place).reshape(step.shape)
            yield to_numpy(candidates(whole(step, 0), whole(step, 1), gradient))

    cut = cut_of(pieces, math.ceil(rate * sum(step.size for step in steps)))
    return {step.name: {"cut_found": cut} for step in steps}


@edits("model", "aligned", reach=matrices, select=steepest)
@reads("elements", inputs=2)
def restore(tensors: Sequence[Array], gradient: Sequence[Array], *, cut_found: float = -1.0) -> Array:
    """The model with the aligned model's values where |g| is largest and a descent step would go there.

    One step of the method; the recipe `restore` repeats it with fresh gradients, and rolls back what costs the task.
    Every entry is exactly one model's or the other's.

    Args:
        gradient: of -cos(mean hidden state of harmful prompts, the same in the aligned model), in the tensor's shape.

    Source: Wu et al. 2025, "Alleviating the fear of losing alignment in LLM fine-tuning" (arXiv:2504.09757),
    algorithm 1, and its release.
    """
    model, aligned = tensors
    size = candidates(model, aligned, gradient[0].reshape(model.shape))
    return library(model).where((size > max(cut_found, 0.0)), aligned, model)
