"""Reading a run directory: its steps, their rows, what they cost, and where a row is. Takes no lock."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from truenorth.base import UserError
from truenorth.engine import manifest as manifests
from truenorth.engine.cost import Cost
from truenorth.engine.journal import read_journal
from truenorth.engine.parquet import from_parquet
from truenorth.records import Row


@dataclass(frozen=True)
class Receipt:
    """What is on disk of one finished step. Its file is written last: without it the step is not done."""

    name: str
    key: str  # hash of the name and everything that went in
    kind: Literal["rows", "files"]
    content: str  # hash of the rows' file, or of the names and sizes of the folder's files
    rows: int
    cost: Cost
    counts: dict[str, int]  # losses and other things counted while it ran
    made: str

    @property
    def id(self) -> str:
        """The name of its files in the run directory."""
        return f"{self.name}-{self.key}"

    def to_json(self) -> bytes:
        """As the run directory keeps it."""
        return (json.dumps(vars(self) | {"cost": self.cost._asdict()}, indent=2) + "\n").encode()

    @classmethod
    def from_json(cls, text: str) -> Receipt:
        """What `to_json` wrote."""
        value = json.loads(text)
        return cls(**value | {"cost": Cost(**value["cost"])})


class Found(NamedTuple):
    """A row and the name of the first step that has it."""

    row: Row
    step: str


@dataclass(frozen=True)
class View:
    """A run directory as it stands; safe while the run is at work.

    >>> View.read("runs/none")
    Traceback (most recent call last):
    truenorth.base.errors.UserError: runs/none: not a run (no manifest.json)
    """

    path: Path
    manifest: dict[str, Any]

    @classmethod
    def read(cls, path: str | Path) -> View:
        """Open a run directory for reading.

        Raises:
            UserError: there is no run, or it was written by another layout.
        """
        return cls(Path(path), manifests.load(Path(path) / "manifest.json"))

    @property
    def steps(self) -> list[Receipt]:
        """The finished steps, in the order in which they ran."""
        found = (read_receipt(self.path / "steps", step) for step in self.manifest["steps"])
        return [receipt for receipt in found if receipt]

    def rows(self, name: str) -> list[Row]:
        """The rows of the step of that name (all of them, where several steps share it).

        Raises:
            UserError: no such step has run, with those that have.
        """
        steps = [s for s in self.steps if s.name == name and s.kind == "rows"]
        if not steps:
            have = ", ".join(dict.fromkeys(s.name for s in self.steps if s.kind == "rows")) or "none"
            raise UserError(f"no step {name!r}", where=str(self.path), expected=f"one of {have}")
        return [row for step in steps for row in read_step(self.path / "steps", step)]

    def find(self, row_id: str) -> Found | None:
        """The row with this id, or whose id begins with it (as git does), or None.

        Raises:
            UserError: several rows begin with it.
        """
        hits = {full: step for full, step in self._ids() if full.startswith(row_id)} if row_id else {}
        if len(hits) > 1 and row_id not in hits:
            some = ", ".join(sorted(hits)[:3])
            raise UserError(
                f"{len(hits)} rows begin with {row_id!r}", where=str(self.path), expected=f"more of {some}"
            )
        if not hits:
            return None
        full = row_id if row_id in hits else next(iter(hits))
        step = next(s for i, s in self._ids() if i == full)
        return Found(next(r for r in read_step(self.path / "steps", step) if r.id == full), step.name)

    def metrics(self, stage: str = "") -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, in order; only those of the step named `stage`, where given."""
        lines = read_journal(self.path / "metrics.jsonl")
        return [line for line in lines if not stage or line["stage"] == stage]

    def costs(self) -> dict[str, Cost]:
        """Cost by step name, with steps of one name added up (peak memory: the highest)."""
        total: dict[str, Cost] = {}
        for step in self.steps:
            was = total.get(step.name, Cost(0.0, 0.0, 0.0))
            total[step.name] = Cost(
                round(was.wall_s + step.cost.wall_s, 3),
                round(was.cpu_s + step.cost.cpu_s, 3),
                max(was.peak_mib, step.cost.peak_mib),
            )
        return total

    def counts(self) -> dict[str, int]:
        """What was counted over all steps: errors, retries, abstentions."""
        return dict(sum((Counter(step.counts) for step in self.steps), Counter()))

    def _ids(self) -> Iterator[tuple[str, Receipt]]:
        for step in self.steps:
            if step.kind == "rows":
                ids = pq.read_table(self.path / "steps" / f"{step.id}.parquet", columns=["id"])["id"]
                yield from ((i, step) for i in ids.to_pylist())


def read_receipt(folder: Path, step_id: str) -> Receipt | None:
    """The receipt of a step, or None where the step is not finished."""
    path = folder / f"{step_id}.json"
    return Receipt.from_json(path.read_text(encoding="utf-8")) if path.exists() else None


def read_step(folder: Path, receipt: Receipt) -> list[Row]:
    """The rows of a finished step.

    Raises:
        UserError: the file is missing or not the one that was written.
    """
    path = folder / f"{receipt.id}.parquet"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read ({error.strerror})", where=str(path)) from error
    if content_of(data) != receipt.content:
        raise UserError(
            "the file was changed after the run wrote it", where=str(path), fix="delete it and resume"
        )
    try:
        return from_parquet(data)
    except pa.ArrowInvalid as error:
        raise UserError(f"cannot read ({error})", where=str(path), fix="delete it and resume") from error


def content_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
