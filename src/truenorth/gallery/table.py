"""The table: every cell against the base, paired by item and clustered by entity, and who is ahead of whom."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import truenorth
from truenorth.base import UserError
from truenorth.engine import View, machine
from truenorth.gallery.presets import BASE, Preset
from truenorth.stats import Paired, mean, paired
from truenorth.stats.estimate import Estimate


class Asked(NamedTuple):
    """A question as asked of a model under a seed."""

    set: str
    kind: str  # "conduct" or "ability"
    principle: str
    item: str
    cluster: str


class Number(NamedTuple):
    """A score, and what it gained on the base, each with its 95 % interval."""

    value: Estimate
    gain: Paired


@dataclass(frozen=True)
class Entry:
    """One row of the gallery.

    Args:
        overall: all conduct questions, near and far.
        scores: set -> principle -> score; abilities: set -> ability -> score.
        best, worst: the ranks that its interval leaves open, 1 the highest; None where it failed.
        kl: nats an answer, from the base; mean and interval are those of the seeds, averaged.
        cpu_s: of making its model, without those it is made from; the mean over seeds.
        versus: the gain on its own baseline, where that is not the base.
        failed: why there are no numbers.
    """

    name: str
    kind: str
    method: str
    seeds: tuple[int, ...]
    about: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    of: tuple[str, ...] = ()
    baseline: str = BASE
    overall: Number | None = None
    scores: Mapping[str, Mapping[str, Number]] = field(default_factory=dict)
    abilities: Mapping[str, Mapping[str, Number]] = field(default_factory=dict)
    versus: Paired | None = None
    kl: Estimate | None = None
    cpu_s: float | None = None
    measure_cpu_s: float | None = None
    best: int | None = None
    worst: int | None = None
    failed: str = ""

    @property
    def rank(self) -> str:
        """ "2" or, where intervals overlap, "2–5"."""
        if self.best is None:
            return "–"
        return str(self.best) if self.best == self.worst else f"{self.best}–{self.worst}"


@dataclass(frozen=True)
class Gallery:
    """All rows, best first, and how they were run."""

    entries: tuple[Entry, ...]
    size: Mapping[str, Any]
    seeds: tuple[int, ...]
    data: Mapping[str, Any]  # the shared data: rows and CPU seconds
    machine: Mapping[str, Any]
    load: float
    made: str
    version: str = truenorth.__version__

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: no nan, no infinity."""
        return {"layout": 1, **_plain(asdict(self)), "entries": [_entry(e) for e in self.entries]}


def gather(
    root: Path, rows: Sequence[Preset], seeds: Sequence[int], size: Any, failed: Mapping[tuple[str, int], str]
) -> Gallery:
    """Read all cells back and compare them."""
    from truenorth.gallery.cells import folder_of

    views: dict[tuple[str, int], View] = {}
    answers: dict[tuple[str, int], dict[Asked, float]] = {}
    wanted = [(name, seed) for row in rows for name in (row.name, row.baseline) for seed in seeds]
    wanted.append((BASE, 0))
    for name, seed in wanted:
        place = folder_of(root, name, seed)
        if (name, seed) in failed or (name, seed) in views or not (place / "manifest.json").exists():
            continue
        view = View.read(place)
        if "gold" in {step.name for step in view.steps}:
            views[name, seed], answers[name, seed] = view, _answers(view)
    entries = [_row(row, seeds, views, answers, failed) for row in rows]
    stock = View.read(root / "stock")
    data: dict[str, Any] = {"rows": {s.name: s.rows for s in stock.steps}, "counts": stock.counts()}
    data["cpu_s"] = round(sum(step.cost.cpu_s for step in stock.steps), 1)
    return Gallery(
        ranked(entries), asdict(size), tuple(seeds), data, machine(), round(os.getloadavg()[0], 1),
        datetime.date.today().isoformat(),
    )  # fmt: skip


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
    views: Mapping[tuple[str, int], View],
    answers: Mapping[tuple[str, int], dict[Asked, float]],
    failed: Mapping[tuple[str, int], str],
) -> Entry:
    told: dict[str, Any] = {name: getattr(preset, name) for name in ("name", "kind", "method", "about", "of")}
    told |= {"settings": dict(preset.settings), "baseline": preset.baseline}
    done = tuple(seed for seed in preset.under(seeds) if (preset.name, seed) in answers)
    if not done or (BASE, 0) not in answers:
        why = next((why for (name, _), why in failed.items() if name == preset.name), "not run")
        return Entry(**told, seeds=(), failed=why)
    own = [answers[preset.name, s] for s in done]
    base = [answers[BASE, 0]] * len(done)
    costs = [views[preset.name, s].costs() for s in done]
    return Entry(
        **told,
        seeds=done,
        overall=number(base, own, lambda a: a.kind == "conduct"),
        scores=_by_principle(base, own, "conduct"),
        abilities=_by_principle(base, own, "ability"),
        versus=_versus(preset, done, own, answers),
        kl=_distance([views[preset.name, s].rows("kl")[0].data for s in done]),
        cpu_s=round(float(np.mean([c["weights"].cpu_s for c in costs])), 2),
        measure_cpu_s=round(float(np.mean([c["gold"].cpu_s + c["kl"].cpu_s for c in costs])), 2),
    )


def _distance(told: Sequence[Mapping[str, Any]]) -> Estimate:
    """The same questions under every seed: intervals are averaged, not narrowed."""
    middle, low, high = (float(np.mean([one[key] for one in told])) for key in ("mean", "low", "high"))
    return Estimate(middle, low, high, told[0]["n"])


def _versus(preset: Preset, seeds: Sequence[int], own: Any, answers: Any) -> Paired | None:
    if preset.baseline == BASE or any((preset.baseline, s) not in answers for s in seeds):
        return None
    other = [answers[preset.baseline, s] for s in seeds]
    return number(other, own, lambda a: a.kind == "conduct").gain


def number(first: Sequence[dict[Asked, float]], second: Sequence[dict[Asked, float]], which: Any) -> Number:
    """Some questions' score in `second`, and its gain on `first`: paired by item and seed, clustered by entity.

    Seeds do not make more entities: a question's answers under all seeds share its cluster.

    Raises:
        UserError: no such questions.
    """
    both = [
        (a[key], b[key], key.cluster) for a, b in zip(first, second) for key in b if which(key) and key in a
    ]
    if not both:
        raise UserError("no answers to compare", where="gallery")
    before, after, clusters = (list(column) for column in zip(*both))
    if all(a is b for a, b in zip(first, second)):  # against itself there is nothing uncertain
        return Number(mean(after, clusters=clusters), Paired(0.0, 0.0, 0.0, 1.0, len(after), "itself"))
    return Number(mean(after, clusters=clusters), paired(before, after, clusters=clusters))


def _by_principle(base: Any, own: Any, kind: str) -> dict[str, dict[str, Number]]:
    found: dict[str, dict[str, Number]] = {}
    for name, principle in dict.fromkeys((k.set, k.principle) for k in own[0] if k.kind == kind):
        which = (kind, name, principle)
        found.setdefault(name, {})[principle] = number(
            base, own, lambda a, which=which: (a.kind, a.set, a.principle) == which
        )
    return found


def ranked(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Best first, each with the ranks that are left open: an entry is ahead where its interval lies wholly above.

    Rank 1 to n counts entries with numbers; two whose intervals of the gain on the base overlap are a tie.
    """
    from dataclasses import replace

    known = [e for e in entries if e.overall]
    gains = [e.overall.gain for e in known if e.overall]
    placed = []
    for entry, own in zip(known, gains):
        ahead = sum(other.low > own.high for other in gains)
        behind = sum(other.high < own.low for other in gains)
        placed.append((own.difference, replace(entry, best=1 + ahead, worst=len(known) - behind)))
    placed.sort(key=lambda one: -one[0])
    return (*(entry for _, entry in placed), *(e for e in entries if not e.overall))


def _entry(entry: Entry) -> dict[str, Any]:
    return _plain({**vars(entry), "rank": entry.rank})


def _plain(value: Any) -> Any:
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
