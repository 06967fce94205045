"""Cells: one row under one seed, made and measured in a run directory of its own; finished ones stay as they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from truenorth.base import UserError, find
from truenorth.engine import Run
from truenorth.gallery.presets import KINDS, Preset, in_waves
from truenorth.gallery.table import Gallery, gather
from truenorth.recipes.settings import Settings
from truenorth.worlds.harbour import Organism

Cell = tuple[str, int]  # a row's name and a seed
Say = Callable[[str], None]


@dataclass(frozen=True)
class Size:
    """How much of everything: defaults keep a cell within a minute of one core.

    Args:
        prompts: of the shared data.
        steps, batch, lr: of training, unless a preset says otherwise.
        items: held-out questions a principle, near and far each.
        kl_prompts: questions on which the distance from the base is measured.
        data_seed: of the shared data; cells' seeds are of training.
    """

    prompts: int = 1200
    samples: int = 8
    steps: int = 120
    batch: int = 16
    lr: float = 5e-4
    items: int = 100
    kl_prompts: int = 120
    max_tokens: int = 40
    data_seed: int = 0

    def settings(self) -> Settings:
        """Those of the main job that the shared data depends on."""
        return Settings(
            prompts=self.prompts,
            samples=self.samples,
            max_tokens=self.max_tokens,
            held_prompts=0,
            seed=self.data_seed,
        )


FAST = Size(prompts=110, samples=5, steps=4, batch=4, items=6, kl_prompts=8)


class Order(NamedTuple):
    """A cell to be worked off, as a process of its own can be told it."""

    root: Path
    organism: Organism
    preset: Preset
    seed: int
    size: Size
    made: Mapping[str, Path]
    measured: bool


def run_gallery(
    root: Path,
    organism: Organism,
    rows: Mapping[str, Preset],
    asked: Sequence[Preset],
    *,
    seeds: Sequence[int] = (0,),
    size: Size = Size(),
    jobs: int = 1,
    say: Say = print,
    quiet: bool = False,
) -> Gallery:
    """Make and measure every cell that is not there yet, and put them side by side.

    Args:
        root: holds `stock/` (the shared data) and `cells/NAME-SEED/`, a run directory each.
        rows: the whole table: rows asked for may be made from others.
        jobs: cells at a time, each in a process with one thread. Results do not depend on it.

    Raises:
        UserError: the shared data cannot be made. A cell that fails is a row that says why.
    """
    from truenorth.gallery.stock import make_stock

    if organism.adapter:
        raise UserError(f"{organism.name} is an adapter", where="gallery", fix="choose micro, nano or mini")
    make_stock(root / "stock", organism, size.settings(), quiet=quiet)
    wanted = [(row.name, seed) for row in asked for seed in row.under(seeds)]
    failed: dict[Cell, str] = {}
    waves = in_waves(rows, wanted)
    left = sum(map(len, waves))
    for wave in waves:
        orders = []
        for name, seed in wave:
            made, lost = _made(root, rows[name], seed, failed)
            if lost:
                failed[name, seed] = f"made from {lost}, which failed"
                continue
            orders.append(Order(root, organism, rows[name], seed, size, made, (name, seed) in wanted))
        for order, error in _worked(orders, jobs):
            left -= 1
            if error:
                failed[order.preset.name, order.seed] = error
            if not quiet:
                say(f"{order.preset.name}, seed {order.seed}: {error or 'done'} ({left} to go)")
    return gather(root, asked, seeds, size, failed)


def _made(root: Path, preset: Preset, seed: int, failed: Mapping[Cell, str]) -> tuple[dict[str, Path], str]:
    """The models that a cell is made from, by the names its preset has for them; or the one that is lost."""
    found = {}
    for name, cell in zip(preset.of, preset.needs(seed)):
        if cell in failed:
            return {}, name
        found[name] = (folder_of(root, *cell) / "model").resolve()
    return found, ""


def folder_of(root: Path, name: str, seed: int) -> Path:
    return root / "cells" / f"{name}-{seed}"


def _worked(orders: Sequence[Order], jobs: int) -> Iterator[tuple[Order, str]]:
    """Each order with its error, as they finish. New processes start with one thread each, so two do not wait
    for each other."""
    if jobs == 1 or len(orders) < 2:
        yield from ((order, work(order)) for order in orders)
        return
    with (
        _one_thread(),
        ProcessPoolExecutor(min(jobs, len(orders)), mp_context=get_context("spawn")) as pool,
    ):
        futures = {pool.submit(work, order): order for order in orders}
        for future in as_completed(futures):
            yield futures[future], future.result()


@contextmanager
def _one_thread() -> Iterator[None]:
    was = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if was is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = was


def work(order: Order) -> str:
    """Make and measure one cell, as far as that has not been done. Returns why not, or nothing."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        _work(order)
    except UserError as error:
        return str(error)
    finally:
        torch.set_num_threads(threads)
    return ""


def _work(order: Order) -> None:
    from truenorth.gallery.gold import distance, gold
    from truenorth.gallery.making import Making
    from truenorth.models.local import LocalModel

    preset, size = order.preset, order.size
    stock = _stock(order.root / "stock", order.organism)
    making = Making(stock, order.seed, size.steps, size.batch, size.lr)
    make: Any = find(KINDS, preset.kind)
    learned = [stock.data, stock.verdicts, stock.documents, size.steps, size.batch, size.lr]
    inputs = [preset.identity(), order.seed, stock.model, dict(order.made)]
    if preset.kind != "base":
        inputs += [learned]
    folder = folder_of(order.root, preset.name, order.seed)
    config = {"cell": preset.name, "seed": order.seed}
    with Run.open(folder, config=config, seeds=[order.seed], say=lambda text: None) as run:
        weights = run.step_files("weights", inputs, lambda to: make(preset, making, order.made, to))
        run.publish("model", weights)
        if order.measured:
            model = LocalModel.load(weights)
            world = int(order.organism.about["seed"])
            how = [weights, world, size.items, size.max_tokens]
            run.step("gold", how, lambda: gold(model, world, size.items, size.max_tokens))
            far = [*how, stock.model, size.kl_prompts]
            run.step("kl", far, lambda: distance(model, stock.model, world, size))


@lru_cache(maxsize=1)
def _stock(path: Path, organism: Organism) -> Any:
    """Read once a process, however many cells it works off."""
    from truenorth.gallery.stock import read_stock

    return read_stock(path, organism)
