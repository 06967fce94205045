"""The table: rows with their numbers, and who is ahead of whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

import truenorth
from truenorth.gallery.claims import Claim
from truenorth.gallery.presets import BASE
from truenorth.stats import Paired
from truenorth.stats.estimate import Estimate

DIGITS = 5  # of numbers in the file


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
        claim: whether it moves the overall score from the base's; claims: the same for each principle.
        versus: the same against its own baseline, where that is not the base.
        best, worst: the ranks that its interval leaves open, 1 the highest; None where it failed.
        kl: nats an answer, from the base; mean and interval are those of the seeds, averaged.
        cpu_s: of making its model, without those it is made from; the mean over seeds.
        why: for people: why it does not move the score, where it does not.
        failed: why there are no numbers.
    """

    name: str
    kind: str
    method: str
    seeds: tuple[int, ...]
    about: str = ""
    why: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    of: tuple[str, ...] = ()
    baseline: str = BASE
    overall: Number | None = None
    scores: Mapping[str, Mapping[str, Number]] = field(default_factory=dict)
    abilities: Mapping[str, Mapping[str, Number]] = field(default_factory=dict)
    claim: Claim | None = None
    claims: Mapping[str, Claim] = field(default_factory=dict)
    versus: Claim | None = None
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
    """All rows, best first, and how they were run.

    Args:
        settings: of data, training and measuring.
        data: the shared data: rows of one seed, what was left out of it, CPU seconds a seed.
    """

    entries: tuple[Entry, ...]
    organism: str
    settings: Mapping[str, Any]
    seeds: tuple[int, ...]
    data: Mapping[str, Any]
    machine: Mapping[str, Any]
    load: float
    made: str
    version: str = truenorth.__version__

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: no nan, no infinity."""
        return {"layout": 2, **_plain(asdict(self)), "entries": [_entry(e) for e in self.entries]}


def ranked(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Best first, each with the ranks that are left open: an entry is ahead where its interval lies wholly above.

    Rank 1 to n counts entries with numbers; two whose intervals of the gain on the base overlap are a tie.
    """
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
        return _plain(value.to_dict())
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return round(value, DIGITS) if np.isfinite(value) else None
    return value
