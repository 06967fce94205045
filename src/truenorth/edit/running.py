"""One step of a plan under way: its blocks read, merged in threads, and written to their place."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from truenorth.edit.arrays import WIDTH, narrow, rounded, to_numpy
from truenorth.edit.method import Block, Method, call
from truenorth.edit.methods._cut import RUN, SAMPLE
from truenorth.edit.noise import Noise, noise_of
from truenorth.edit.plan import BLOCK, Plan, Step
from truenorth.edit.reading import piece
from truenorth.edit.storage import Layout, Stored, read, read_into, write_at

Tick = Callable[[int], None]


class Running:
    """One step under way: its blocks, as the method and its survey see them."""

    def __init__(self, plan: Plan, step: Step, pool: ThreadPoolExecutor, seed: int, device: str):
        self._plan, self._step, self._pool, self._seed, self._device = plan, step, pool, seed, device
        self._method: Method = plan.method
        self.size, self.count = step.size, len(step.tensors)
        doubles = any(own.stored.dtype == "F64" for own in step.parts)
        self._work = np.float64 if doubles else np.float32

    def write(self, handle: int, placed: Layout, tick: Tick) -> None:
        """Make the tensor, block by block, and write each block to its place in the open file."""
        step, offset = self._step, placed.offsets[self._step.name]
        if step.copied:
            data = _copied(step)
            write_at(handle, data, offset)
            tick(step.size)
            return
        settings = dict(step.settings or {})
        survey = self._method.trait.survey
        surveyed = survey(self, **self._method.survey_settings(settings)) if survey else None
        run = partial(self._merge, handle, offset, settings, surveyed)
        for size in self._pool.map(run, self._pieces()):
            tick(size)

    def map(self, function: Callable[[Block], Any]) -> list[Any]:
        return list(self._pool.map(lambda piece: function(self._block(*piece)), self._pieces()))

    def sample(self) -> list[Block]:
        """64 runs of 1,024 elements from all over, or the whole of a tensor that is not much larger."""
        if self.size <= 2 * SAMPLE or self._method.trait.scope != "elements":
            return [self._block(*piece) for piece in self._pieces()]
        gap = (self.size - RUN) // (SAMPLE // RUN - 1)
        return [self._block(i * gap, RUN) for i in range(SAMPLE // RUN)]

    def _pieces(self) -> list[tuple[int, int]]:
        """(start, size) of each block: whole rows or a whole tensor where the method needs them."""
        scope = self._method.trait.scope
        if scope == "tensor" or not self.size:
            return [(0, self.size)]
        block = BLOCK
        if scope == "rows":
            columns = self._columns
            block = max(1, BLOCK // columns) * columns
        return [(start, min(block, self.size - start)) for start in range(0, self.size, block)]

    @property
    def _columns(self) -> int:
        return max(1, self._step.shape[-1] if self._step.shape else 1)

    def _block(self, start: int, size: int) -> Block:
        shape = self._shape(size)
        tensors = [self._array(part, start, size, shape) for part in self._step.tensors]
        base = self._array(self._step.base, start, size, shape) if self._step.base else None
        noise = None
        if self._method.noise:

            def draw(i: int) -> Any:
                bits = noise_of(self._seed, self._step.name, i, start, size, like=tensors[i])
                return bits.reshape(shape)

            noise = Noise(draw, len(tensors))
        return Block(tensors, base, start, noise)

    def _shape(self, size: int) -> tuple[int, ...]:
        scope = self._method.trait.scope
        if scope == "tensor":
            return self._step.shape
        return (size,) if scope == "elements" else (size // self._columns, self._columns)

    def _array(self, own: Any, start: int, size: int, shape: tuple[int, ...]) -> Any:
        values = piece(own, start, size, work=self._work)
        dtype = self._plan.config.dtype
        if dtype and dtype != own.stored.dtype and WIDTH[dtype] < values.itemsize:
            values = rounded(values, dtype)
        return self._placed(values.reshape(shape))

    def _placed(self, values: np.ndarray) -> Any:
        if self._device == "cpu":
            return values
        import torch

        return torch.from_numpy(values).to(self._device)

    def _statistics(self, start: int, size: int) -> dict[str, list[Any]]:
        """What the models bring: the same elements, or (for methods of whole tensors) all of it."""
        if self._method.trait.scope == "elements":
            return self._brought(lambda place: read(place, start, size))
        return self._brought(lambda place: read(place).reshape(place.shape))

    def _brought(self, take: Callable[[Stored], np.ndarray]) -> dict[str, list[Any]]:
        given = (self._step.statistics or {}).items()
        return {
            key: [self._placed(take(place)) if place else None for place in places] for key, places in given
        }

    def _merge(
        self, handle: int, offset: int, settings: dict[str, Any], surveyed: Any, at: tuple[int, int]
    ) -> int:
        start, size = at
        statistics = self._statistics(start, size)
        values = call(self._method, self._block(start, size), settings, surveyed, **statistics)
        dtype = self._step.dtype
        write_at(handle, narrow(to_numpy(values).reshape(-1), dtype), offset + start * WIDTH[dtype])
        return size


def _copied(step: Step) -> np.ndarray:
    """The bytes of a tensor that is taken as it is."""
    assert step.copied
    stored = step.copied.stored
    raw = np.empty(stored.bytes, np.uint8)
    read_into(stored.file, raw.data, stored.offset)
    return raw
