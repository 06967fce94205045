"""Our own runs: the folder of a run that measured something, one result for each model it measured."""

from __future__ import annotations

from pathlib import Path

from truenorth.base import UserError
from truenorth.measure.readers._files import beginning, kind_of, number
from truenorth.measure.readers._types import Reader, Result, Scored
from truenorth.records import Row


def _recognises(path: Path) -> bool:
    if path.is_dir():
        return (path / "manifest.json").is_file()
    start = beginning(path) if kind_of(path) == "json" else ""
    return path.name == "report.json" or ('"principles"' in start and '"layout"' in start)


def _read(path: Path) -> list[Result]:
    from truenorth.engine import View

    folder = path if path.is_dir() else path.parent
    if not (folder / "manifest.json").is_file():
        raise UserError(
            "a report holds summaries, not items",
            where=str(path),
            fix="give the folder of the run it is from",
        )
    view = View.read(folder)
    found: dict[str, list[Scored]] = {}
    for step in view.steps:
        if step.kind != "rows":
            continue
        for row in view.rows(step.name):
            if row.source.producer == "measure" and "score" in row.data:
                questions, _, who = step.name.rpartition("-")
                if who not in ("base", "aligned"):
                    questions, who = step.name, row.source.model or "model"
                found.setdefault(who, []).append(_scored(row, questions))
    return [Result(f"{folder.name}/{name}", str(path), rows) for name, rows in found.items()]


def _scored(row: Row, questions: str) -> Scored:
    """`questions`: the set they are of ("conduct-near"); one id may stand in several sets."""
    item = f"{questions}/{row.source.parents[0] if row.source.parents else row.data.get('prompt')}"
    cluster = str(row.data.get("cluster") or item)
    score = number(row.data["score"])
    return Scored(item, row.source.principle or "score", score, cluster, {"questions": questions})


truenorth = Reader("truenorth runs (folder)", _recognises, _read)
