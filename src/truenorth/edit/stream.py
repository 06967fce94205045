"""Run a plan: tensor by tensor, block by block, in threads; finished shards survive a kill and are not made again.

The folder takes its name when all of it is written. Until then it is NAME.part, with a file that says which
merge it belongs to; the same command goes on there, another merge starts it anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from truenorth.base import UserError, write_json
from truenorth.edit.carry import carry
from truenorth.edit.folders import INDEX
from truenorth.edit.plan import Plan, Shard, threads_here
from truenorth.edit.planning import make_plan
from truenorth.edit.recipe import RECIPE, begin, check_free, is_done, recipe_of
from truenorth.edit.running import Running, Tick
from truenorth.edit.storage import close_all, layout
from truenorth.engine import progress, storage_errors, write_point

PART = ".part"


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
    check_free(out)
    _usable(device)
    plan = _with_weights(plan)
    recipe = recipe_of(plan, seed)
    if is_done(out, recipe):
        return out
    part = out.with_name(out.name + PART)
    with storage_errors(out):
        begin(part, recipe)
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


def _usable(device: str) -> None:
    """Raise a UserError unless torch can compute there; "cpu" asks nobody."""
    if device == "cpu":
        return
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        why = str(error).splitlines()[0].partition(" device type at start")[0]
        why = "no such device" if why.startswith("Expected one of") else why[:200]
        raise UserError(
            f"cannot compute on {device!r} ({why})", where="--device", expected="cpu or cuda"
        ) from error


def _with_weights(plan: Plan) -> Plan:
    """The plan again, once models of the hub are on this machine."""
    if all(model.weights for model in plan.models):
        return plan
    from truenorth.edit import hub

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
            Running(plan, step, pool, seed, device).write(handle, placed, tick)
        os.fsync(handle)
    finally:
        os.close(handle)
    write_point()
    unfinished.rename(part / shard.file)
    write_point()


def _index(plan: Plan, part: Path) -> None:
    """The index of a result in several files, as transformers reads it."""
    if len(plan.shards) > 1:
        places = {step.name: shard.file for shard in plan.shards for step in shard.steps}
        write_json(part / INDEX, {"metadata": {"total_size": plan.bytes_written}, "weight_map": places})
