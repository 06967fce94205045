"""Run a plan: tensor by tensor, block by block, in threads; finished shards survive a kill and are not made again.

The folder takes its name when all of it is written. Until then it is NAME.part, with a file that says which
merge it belongs to; the same command goes on there, another merge starts it anew.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import truenorth
from truenorth.base import UserError, content_hash, write_json
from truenorth.edit.arrays import WIDTH, narrow, rounded, to_numpy
from truenorth.edit.carry import carry
from truenorth.edit.method import Block, Method, call
from truenorth.edit.models import INDEX, read_json
from truenorth.edit.noise import noise_of
from truenorth.edit.plan import BLOCK, Plan, Shard, Step, threads_here
from truenorth.edit.reading import piece
from truenorth.edit.storage import Layout, Stored, close_all, layout, read, read_into, write_at
from truenorth.engine import progress, storage_errors, write_point

PART = ".part"
RECIPE = "truenorth_merge.json"  # in the result: what was merged, from which files, how
Tick = Callable[[int], None]


def merge(
    plan: Plan,
    out: str | Path,
    *,
    seed: int = 0,
    device: str = "cpu",
    threads: int | None = None,
    quiet: bool = True,
) -> Path:
    """Carry out a plan and return the folder, which transformers loads.

    Args:
        seed: of what random methods (DARE, DELLA) draw; the same seed gives the same bytes.
        device: "cpu" runs on NumPy; anything else ("cuda") on torch there.
        threads: default the machine's cores, at most 8. The result does not depend on it.

    Raises:
        UserError: the folder exists and holds something else, a model cannot be fetched, or the disk is full.
    """
    out = Path(out)
    _free(out)
    _usable(device)
    plan = _with_weights(plan)
    recipe = recipe_of(plan, seed)
    if _done(out, recipe):
        return out
    part = out.with_name(out.name + PART)
    with storage_errors(out):
        _begin(part, recipe)
        total = sum(step.size for step in plan.steps)
        with (
            progress("merging", total=total, quiet=quiet) as bar,
            _closing(threads or threads_here()) as pool,
        ):
            for shard in plan.shards:
                _shard(plan, shard, part, pool, seed, device, bar.tick)
        _index(plan, part)
        carry(plan, part)
        write_json(part / RECIPE, recipe)
        write_point()
        (part / "plan.json").unlink()
        if out.exists():
            out.rmdir()  # only ever an empty folder
        part.rename(out)
        write_point()
    return out


def recipe_of(plan: Plan, seed: int) -> dict[str, Any]:
    """What was merged: the configuration, and of each model the files by name, size and time of writing."""
    files = {}
    for model in plan.models:
        stored = {tensor.file for tensor in model.tensors.values()}
        if model.adapter:
            stored |= {part.file for delta in model.adapter.deltas.values() for part in (delta.a, delta.b)}
        files[model.name] = [_identity(file) for file in sorted(stored)]
    shards = [[shard.file, [[s.name, s.dtype, list(s.shape)] for s in shard.steps]] for shard in plan.shards]
    return {
        "truenorth": truenorth.__version__,
        "method": plan.method.name,
        "configuration": plan.config.text,
        "models": files,
        "tokenizer_from": plan.vocabulary.source.name if plan.vocabulary else plan.donor.name,
        "seed": seed,
        "layout": content_hash(shards),
        "notes": list(plan.notes),
    }


def _identity(file: Path) -> list[Any]:
    if not file.exists():  # still on the hub
        return [file.name]
    state = file.stat()
    return [file.name, state.st_size, state.st_mtime_ns]


def _free(out: Path) -> None:
    """Raise a UserError if the folder holds anything but a merge."""
    if out.exists() and not (out / RECIPE).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError("this already exists", where=str(out), fix="choose another folder, or remove it")


def _done(out: Path, recipe: dict[str, Any]) -> bool:
    """Is this very merge there already?

    Raises:
        UserError: another one is.
    """
    if not (out / RECIPE).is_file():
        return False
    if read_json(out / RECIPE) == recipe:
        return True
    raise UserError("another merge already exists", where=str(out), fix="choose another folder, or remove it")


def _usable(device: str) -> None:
    """Raise a UserError unless torch can compute there; "cpu" asks nobody."""
    if device == "cpu":
        return
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        why = str(error).splitlines()[0][:200]
        raise UserError(
            f"cannot compute on {device!r} ({why})", where="--device", expected="cpu or cuda"
        ) from error


def _begin(part: Path, recipe: dict[str, Any]) -> None:
    """The unfinished folder of this merge; of another one, emptied."""
    note = part / "plan.json"
    if part.exists() and not (note.is_file() and read_json(note) == recipe):
        shutil.rmtree(part)
    if not part.exists():
        part.mkdir(parents=True)
        write_point()
        write_json(note, recipe)
        write_point()


def _with_weights(plan: Plan) -> Plan:
    """The plan again, once models of the hub are on this machine."""
    if all(model.weights for model in plan.models):
        return plan
    from truenorth.edit import hub
    from truenorth.edit.plan import make_plan

    for model in plan.models:
        hub.with_weights(model)  # headers now come from the local cache
    fresh = make_plan(plan.config)
    steps = {step.name: step for step in fresh.steps}
    shards = tuple(Shard(s.file, tuple(steps[step.name] for step in s.steps)) for s in plan.shards)
    return replace(fresh, shards=shards)


@contextmanager
def _closing(threads: int) -> Iterator[ThreadPoolExecutor]:
    try:
        with ThreadPoolExecutor(threads) as pool:
            yield pool
    finally:
        close_all()


def _shard(
    plan: Plan, shard: Shard, part: Path, pool: ThreadPoolExecutor, seed: int, device: str, tick: Tick
) -> None:
    """Write one file of the result, unless an earlier run finished it."""
    if (part / shard.file).exists():
        tick(sum(step.size for step in shard.steps))
        return
    placed = layout({step.name: (step.dtype, step.shape) for step in shard.steps})
    unfinished = part / f".{shard.file}"
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.truncate(handle, placed.size)
        os.pwrite(handle, placed.header, 0)
        write_point()
        for step in shard.steps:
            _Running(plan, step, pool, seed, device).write(handle, placed, tick)
        os.fsync(handle)
    finally:
        os.close(handle)
    write_point()
    unfinished.rename(part / shard.file)
    write_point()


class _Running:
    """One step under way: its blocks, as the method and its survey see them."""

    def __init__(self, plan: Plan, step: Step, pool: ThreadPoolExecutor, seed: int, device: str):
        self._plan, self._step, self._pool, self._seed, self._device = plan, step, pool, seed, device
        self._method: Method = plan.method
        self.size, self.count = step.size, len(step.tensors)
        doubles = any(own.stored.dtype == "F64" for own in step.parts)
        self._work = np.float64 if doubles else np.float32

    def write(self, handle: int, placed: Layout, tick: Tick) -> None:
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
        from truenorth.edit.methods._cut import RUN, SAMPLE

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
            noise = [
                noise_of(self._seed, self._step.name, i, start, size, like=tensor).reshape(shape)
                for i, tensor in enumerate(tensors)
            ]
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


def _index(plan: Plan, part: Path) -> None:
    """The index of a result in several files, as transformers reads it."""
    if len(plan.shards) > 1:
        places = {step.name: shard.file for shard in plan.shards for step in shard.steps}
        write_json(part / INDEX, {"metadata": {"total_size": plan.bytes_written}, "weight_map": places})


def predicted(plan: Plan, threads: int | None = None) -> Sequence[tuple[str, str]]:
    """What a dry run tells: names and values."""
    threads = threads or threads_here()
    tensors = sum(1 for _ in plan.steps)
    lines = [
        ("method", plan.method.name),
        ("models", ", ".join(model.name for model in plan.models)),
        ("tensors", f"{tensors:,} of {sum(step.size for step in plan.steps):,} numbers"),
        ("to read", f"{megabytes(plan.bytes_read)} in {plan.passes} pass{'es' if plan.passes > 1 else ''}"),
        (
            "to write",
            f"{megabytes(plan.bytes_written)} in {len(plan.shards)} file{'s' if len(plan.shards) > 1 else ''}",
        ),
        ("memory", f"about {megabytes(plan.peak_bytes(threads))} with {threads} threads"),
    ]
    if plan.download:
        lines.append(("to download", megabytes(plan.download)))
    return [*lines, *(("note", note) for note in plan.notes)]


def megabytes(count: int) -> str:
    return f"{count / 1e9:,.2f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
