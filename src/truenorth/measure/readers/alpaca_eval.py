"""AlpacaEval: `annotations.json` (a preference an instruction) and leaderboards (CSV)."""

from __future__ import annotations

from pathlib import Path

from truenorth.measure.readers._files import beginning, csv_rows, json_of, kind_of, number
from truenorth.measure.readers._types import Reader, Result, Scored, Summary

METRIC = "win rate"


def _recognises(path: Path) -> bool:
    start = beginning(path) if kind_of(path) in ("json", "csv") else ""
    if kind_of(path) == "csv":
        head = start.partition("\n")[0]
        return "win_rate" in head and "standard_error" in head
    return '"preference"' in start and '"generator_1"' in start and '"generator_2"' in start


def _read(path: Path) -> list[Result]:
    if kind_of(path) == "csv":
        return [result for row in csv_rows(path) if (result := _board(row, str(path)))]
    found: dict[str, list[Scored]] = {}
    for row in json_of(path):
        slices = {"dataset": str(row["dataset"])} if row.get("dataset") else {}
        item = str(row["instruction"])
        scored = Scored(item, METRIC, preference(row.get("preference")), item, slices)
        found.setdefault(str(row["generator_2"]), []).append(scored)
    return [Result(system, str(path), rows) for system, rows in found.items()]


def preference(value: object) -> float | None:
    """The second answer's share of the vote: 1 is 0, 2 is 1, 1.5 a tie, 0 a draw in the old coding."""
    told = number(value)
    if told is None or not (told == 0 or 1 <= told <= 2):
        return None
    return 0.5 if told == 0 else told - 1


def _board(row: dict[str, str], source: str) -> Result | None:
    system = row.get("") or row.get("model") or row.get("name") or ""
    told = [number(row.get(name)) for name in ("win_rate", "standard_error", "n_total")]
    if not system or told[0] is None or told[1] is None:
        return None
    return Result(system, source, [], (Summary(METRIC, told[0] / 100, told[1] / 100, int(told[2] or 0)),))


alpaca_eval = Reader("AlpacaEval annotations (JSON) and leaderboards (CSV)", _recognises, _read)
