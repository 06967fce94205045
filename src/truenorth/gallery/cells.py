"""Cells: one row under one seed, made and measured in a run directory of its own; finished ones stay as they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from truenorth.base import UserError, find
from truenorth.engine import Run
from truenorth.gallery.gather import Cell, folder_of, gather, stock_of
from truenorth.gallery.making import SETTINGS, Making
from truenorth.gallery.presets import BASE, KINDS, Preset, in_waves
from truenorth.gallery.table import Gallery
from truenorth.recipes.settings import Settings
from truenorth.worlds.harbour import Organism

Say = Callable[[str], None]


class Order(NamedTuple):
    """A cell to be worked off, as a process of its own can be told it."""

    root: Path
    organism: Organism
    preset: Preset
    settings: Settings
    made: Mapping[str, Path]

    @property
    def cell(self) -> Cell:
        return self.preset.name, self.settings.seed


def run_gallery(
    root: Path,
    organism: Organism,
    rows: Mapping[str, Preset],
    asked: Sequence[Preset],
    *,
    seeds: Sequence[int] = (0,),
    settings: Settings = SETTINGS,
    jobs: int = 1,
    say: Say = print,
    quiet: bool = False,
) -> Gallery:
    """Make and measure every cell that is not there yet, and put them side by side.

    Args:
        root: holds `stock-SEED/` (the shared data) and `cells/NAME-SEED/`, a run directory each.
        rows: the whole table: rows asked for may be made from others.
        seeds: of a cell's data and of its training. The questions are the same under all of them.
        settings: of data, training and measuring; its own seed is not used.
        jobs: cells at a time, each in a process with one thread. Results do not depend on it.

    Raises:
        UserError: the shared data cannot be made. A cell that fails is a row that says why.
    """
    from truenorth.gallery.stock import make_stock

    if organism.adapter:
        raise UserError(f"{organism.name} is an adapter", where="gallery", fix="choose nano or micro")
    wanted = [(row.name, seed) for row in asked for seed in row.under(seeds)]
    waves = in_waves(rows, wanted)
    for seed in sorted({seed for wave in waves for name, seed in wave if rows[name].kind != BASE}):
        make_stock(stock_of(root, seed), organism, replace(settings, seed=seed), quiet=quiet)
    failed: dict[Cell, str] = {}
    left = sum(map(len, waves))
    for wave in waves:
        orders = []
        for name, seed in wave:
            made, lost = _made(root, rows[name], seed, failed)
            if lost:
                failed[name, seed] = f"made from {lost}, which failed"
                continue
            own = replace(settings, seed=seed)
            orders.append(Order(root, organism, rows[name], own, made))
        for order, error in _worked(orders, jobs):
            left -= 1
            if error:
                failed[order.cell] = error
            if not quiet:
                say(f"{order.preset.name}, seed {order.settings.seed}: {error or 'done'} ({left} to go)")
    return gather(root, organism.name, asked, seeds, settings, failed)


def _made(root: Path, preset: Preset, seed: int, failed: Mapping[Cell, str]) -> tuple[dict[str, Path], str]:
    """The models that a cell is made from, by the names its preset has for them; or the one that is lost."""
    found = {}
    for name, cell in zip(preset.of, preset.needs(seed)):
        if cell in failed:
            return {}, name
        found[name] = (folder_of(root, *cell) / "model").resolve()
    return found, ""


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
    from truenorth.gallery.best_of import opened
    from truenorth.gallery.gold import distance, gold
    from truenorth.models.local import LocalModel

    preset, settings, base = order.preset, order.settings, order.organism.model
    making = Making(base, stock_of(order.root, settings.seed), settings)
    make: Any = find(KINDS, preset.kind)
    inputs = [preset.identity(), settings.seed, base, dict(order.made)]
    if preset.kind != BASE:
        stock, trained = making.stock, [settings.steps, settings.batch, settings.lr]
        inputs += [stock.data, stock.verdicts, stock.documents, *trained]
    with Run.open(
        folder_of(order.root, *order.cell),
        config={"cell": preset.name, "seed": settings.seed},
        seeds=[settings.seed],
        say=lambda text: None,
    ) as run:
        weights = run.step_files("weights", inputs, lambda to: make(preset, making, order.made, to))
        run.publish("model", weights)
        model = opened(preset, weights, base)
        world = int(order.organism.about["seed"])
        how = [weights, world, settings.items, settings.max_tokens]
        run.step("gold", how, lambda: gold(model, world, settings))
        if isinstance(model, LocalModel):
            run.step("kl", [*how, base], lambda: distance(model, base, world, settings))
