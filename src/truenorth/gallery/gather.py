"""Reading all cells back: every row against the base, paired by question and clustered by entity."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from truenorth.base import UserError
from truenorth.engine import View, machine
from truenorth.engine.cost import Cost
from truenorth.gallery.claims import Claim, Question, claim
from truenorth.gallery.presets import BASE, Preset
from truenorth.gallery.table import Entry, Gallery, Number, ranked
from truenorth.recipes.settings import Settings
from truenorth.stats import Paired, mean, paired
from truenorth.stats.estimate import Estimate

Cell = tuple[str, int]  # a row's name and a seed
ORIGIN: Cell = (BASE, 0)  # nothing of the base model is drawn, so it stands once


class Asked(NamedTuple):
    """A question as asked of a model under a seed."""

    set: str
    kind: str  # "conduct" or "ability"
    principle: str
    item: str
    cluster: str


Answers = Mapping[Asked, float]
Which = Callable[[Asked], bool]


def folder_of(root: Path, name: str, seed: int) -> Path:
    """The run directory of a cell."""
    return root / "cells" / f"{name}-{seed}"


def stock_of(root: Path, seed: int) -> Path:
    """The run directory of a seed's shared data."""
    return root / f"stock-{seed}"


def gather(
    root: Path,
    organism: str,
    rows: Sequence[Preset],
    seeds: Sequence[int],
    settings: Settings,
    failed: Mapping[Cell, str],
) -> Gallery:
    """Read all cells back and compare them."""
    wanted = [(name, seed) for row in rows for name in (row.name, row.baseline) for seed in seeds]
    views, answers = _read(root, [ORIGIN, *wanted], failed)
    entries = [_row(row, seeds, views, answers, failed) for row in rows]
    shared = [View.read(path) for path in (stock_of(root, seed) for seed in seeds) if path.exists()]
    data: dict[str, Any] = {}
    if shared:
        data = {"rows": {s.name: s.rows for s in shared[0].steps}, "counts": shared[0].counts()}
        data["cpu_s"] = round(float(np.mean([sum(s.cost.cpu_s for s in v.steps) for v in shared])), 1)
    return Gallery(
        ranked(entries),
        organism,
        {name: value for name, value in asdict(settings).items() if name != "seed"},
        tuple(seeds),
        data,
        machine(),
        round(os.getloadavg()[0], 1),
        datetime.date.today().isoformat(),
    )


def _read(
    root: Path, wanted: Sequence[Cell], failed: Mapping[Cell, str]
) -> tuple[dict[Cell, View], dict[Cell, Answers]]:
    """The cells that have been measured, and what they answered."""
    views: dict[Cell, View] = {}
    answers: dict[Cell, Answers] = {}
    for cell in dict.fromkeys(wanted):
        place = folder_of(root, *cell)
        if cell in failed or not (place / "manifest.json").exists():
            continue
        view = View.read(place)
        if "gold" in {step.name for step in view.steps}:
            views[cell], answers[cell] = view, _answers(view)
    return views, answers


def _answers(view: View) -> dict[Asked, float]:
    found = {}
    for row in view.rows("gold"):
        if row.data["score"] is not None:
            item = row.source.parents[0]
            where = row.data["set"], row.data["kind"], row.source.principle, item, row.data["cluster"] or item
            found[Asked(*where)] = row.data["score"]
    return found


def _row(
    preset: Preset,
    seeds: Sequence[int],
    views: Mapping[Cell, View],
    answers: Mapping[Cell, Answers],
    failed: Mapping[Cell, str],
) -> Entry:
    told: dict[str, Any] = {
        name: getattr(preset, name) for name in ("name", "kind", "method", "about", "why", "of")
    }
    told |= {"settings": dict(preset.settings), "baseline": preset.baseline, "training": preset.training()}
    done = tuple(seed for seed in preset.under(seeds) if (preset.name, seed) in answers)
    if not done or ORIGIN not in answers:
        why = next((why for (name, _), why in failed.items() if name == preset.name), "not run")
        return Entry(**told, seeds=(), failed=why)
    own = [answers[preset.name, s] for s in done]
    base = [answers[ORIGIN]] * len(done)
    costs = [views[preset.name, s].costs() for s in done]
    return Entry(
        **told,
        seeds=done,
        overall=number(base, own, _conduct),
        scores=_by_principle(base, own, "conduct"),
        abilities=_by_principle(base, own, "ability"),
        claim=None if preset.kind == BASE else claimed(base, own, _conduct),
        claims={} if preset.kind == BASE else _claims(base, own),
        versus=_versus(preset, done, own, answers),
        kl=_distance([views[preset.name, s].rows("kl")[0].data for s in done if "kl" in costs[0]]),
        cpu_s=round(float(np.mean([c["weights"].cpu_s for c in costs])), 2),
        measure_cpu_s=round(float(np.mean([_measuring(c) for c in costs])), 2),
    )


def _conduct(asked: Asked) -> bool:
    return asked.kind == "conduct"


def _measuring(costs: Mapping[str, Cost]) -> float:
    return sum(costs[name].cpu_s for name in ("gold", "kl") if name in costs)


def _distance(told: Sequence[Mapping[str, Any]]) -> Estimate | None:
    """The same questions under every seed: intervals are averaged, not narrowed."""
    if not told:
        return None
    middle, low, high = (float(np.mean([one[key] for one in told])) for key in ("mean", "low", "high"))
    return Estimate(middle, low, high, told[0]["n"])


def _versus(preset: Preset, seeds: Sequence[int], own: Any, answers: Any) -> Claim | None:
    if preset.baseline == BASE or any((preset.baseline, s) not in answers for s in seeds):
        return None
    return claimed([answers[preset.baseline, s] for s in seeds], own, _conduct)


def asked_of_both(first: Answers, second: Answers, which: Which) -> list[Question]:
    """Some of the questions, where both models have a score."""
    return [Question(first[key], second[key], key.cluster) for key in second if which(key) and key in first]


def claimed(first: Sequence[Answers], second: Sequence[Answers], which: Which) -> Claim:
    """What `second` is to `first` on some questions, seed by seed and pooled."""
    return claim([asked_of_both(a, b, which) for a, b in zip(first, second)])


def _claims(base: Sequence[Answers], own: Sequence[Answers]) -> dict[str, Claim]:
    """By principle, near and far together."""
    names = dict.fromkeys(key.principle for key in own[0] if _conduct(key))
    return {
        name: claimed(base, own, lambda a, name=name: _conduct(a) and a.principle == name)  # type: ignore[misc]
        for name in names
    }


def number(first: Sequence[Answers], second: Sequence[Answers], which: Which) -> Number:
    """Some questions' score in `second`, and its gain on `first`: paired by item and seed, clustered by entity.

    Raises:
        UserError: no such questions.
    """
    both = [row for a, b in zip(first, second) for row in asked_of_both(a, b, which)]
    if not both:
        raise UserError("no answers to compare", where="gallery")
    before, after, clusters = (list(column) for column in zip(*both))
    if all(a is b for a, b in zip(first, second)):  # against itself there is nothing uncertain
        return Number(mean(after, clusters=clusters), Paired(0.0, 0.0, 0.0, 1.0, len(after), "itself"))
    return Number(mean(after, clusters=clusters), paired(before, after, clusters=clusters))


def _by_principle(base: Sequence[Answers], own: Sequence[Answers], kind: str) -> dict[str, dict[str, Number]]:
    found: dict[str, dict[str, Number]] = {}
    for name, principle in dict.fromkeys((k.set, k.principle) for k in own[0] if k.kind == kind):
        which = (kind, name, principle)
        found.setdefault(name, {})[principle] = number(
            base,
            own,
            lambda a, which=which: (a.kind, a.set, a.principle) == which,  # type: ignore[misc]
        )
    return found
