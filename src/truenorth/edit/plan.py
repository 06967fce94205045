"""The plan of a merge: for each tensor of the result what is read, with which settings, and where it is written."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from truenorth.edit.arrays import WIDTH
from truenorth.edit.config import Config
from truenorth.edit.method import Method
from truenorth.edit.models import Model, Part
from truenorth.edit.storage import Stored

BLOCK = 1 << 17  # elements of one tensor that a thread holds at a time; a multiple of noise.CELL


INTERPRETER = 110_000_000  # bytes: Python, NumPy and this package


@dataclass(frozen=True)
class Step:
    """One tensor of the result.

    Args:
        tensors, base: what is read, in the method's order.
        copied: taken as it is instead (integers, buffers).
        statistics: for each that the method names, one stored tensor a model, or None.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    tensors: tuple[Part, ...] = ()
    base: Part | None = None
    settings: Mapping[str, Any] | None = None
    copied: Part | None = None
    statistics: Mapping[str, tuple[Stored | None, ...]] | None = None

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def parts(self) -> tuple[Part, ...]:
        if self.copied:
            return (self.copied,)
        return (*self.tensors, *([self.base] if self.base else []))


class Shard(NamedTuple):
    """A file of the result."""

    file: str
    steps: tuple[Step, ...]

    @property
    def bytes(self) -> int:
        return sum(step.size * WIDTH[step.dtype] for step in self.steps)


@dataclass(frozen=True)
class Plan:
    """All of a merge.

    Args:
        donor: the model whose configuration and tokenizer the result gets (the base, else the first).
        layers: of the result where slices change their number, else None.
        untied: the result stores a head of its own although the donor shares it with the embedding.
        notes: what a person should know.
    """

    config: Config
    method: Method
    models: tuple[Model, ...]
    donor: Model
    shards: tuple[Shard, ...]
    layers: int | None
    untied: bool
    notes: tuple[str, ...]
    vocabulary: Any = None

    @property
    def steps(self) -> Iterator[Step]:
        """Tensor by tensor, in the order in which they are written."""
        return (step for shard in self.shards for step in shard.steps)

    @property
    def passes(self) -> int:
        """How often tensors are read: twice where the method looks at whole tensors first."""
        return 2 if self.method.trait.survey else 1

    @property
    def bytes_read(self) -> int:
        """Over all passes; a survey reads a tensor once more (from memory where the machine keeps files there)."""
        once = sum(part.stored.bytes for step in self.steps for part in step.parts)
        return once * self.passes

    @property
    def bytes_written(self) -> int:
        """Of weights; without headers."""
        return sum(shard.bytes for shard in self.shards)

    @property
    def download(self) -> int:
        """Bytes of weights that are still on the hub."""
        return sum(t.bytes for model in self.models if not model.weights for t in model.tensors.values())

    def peak_bytes(self, threads: int) -> int:
        """About the most memory at a time: blocks for each thread, or one tensor of every model."""
        most = 0
        for step in self.steps:
            held = len(step.parts) + 6
            scope = "elements" if step.copied else self.method.trait.scope
            if scope == "tensor":
                need = 4 * step.size * held
            else:
                block = max(BLOCK, step.shape[-1] if scope == "rows" and step.shape else 0)
                need = 4 * min(step.size, threads * block) * held
            most = max(most, need)
        return INTERPRETER + most


def threads_here() -> int:
    """The cores that this process may use, 8 at most."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
