"""arena-hard-auto: judgement JSONL (two games a question, sides swapped) and leaderboards (CSV).

A question's two games are two samples of one item. Clear wins count once, as others do: counting them three
times, as the board does, changes what is measured, and drawing such copies apart makes intervals too narrow.
"""

from __future__ import annotations

from pathlib import Path

from truenorth.measure.readers._files import beginning, csv_rows, first_line, json_lines, kind_of, number
from truenorth.measure.readers._types import Reader, Result, Scored, Summary

METRIC = "win rate"
FIRST = {"A>>B": 1.0, "A>B": 1.0, "A=B": 0.5, "B=A": 0.5, "B>A": 0.0, "B>>A": 0.0}


def _recognises(path: Path) -> bool:
    if kind_of(path) == "csv":
        return "rating_q025" in beginning(path).partition("\n")[0]
    return {"games", "judge"} <= set(first_line(path))


def _read(path: Path) -> list[Result]:
    if kind_of(path) == "csv":
        return [result for row in csv_rows(path) if (result := _board(row, str(path)))]
    found: dict[str, list[Scored]] = {}
    for row in json_lines(path):
        item = str(row.get("question_id") or row.get("uid"))
        slices = {name: str(row[name]) for name in ("category", "judge") if row.get(name)}
        rows = found.setdefault(str(row.get("model", path.stem)), [])
        for place, game in enumerate(row["games"]):
            first = FIRST.get(str((game or {}).get("score")))
            score = None if first is None else 1 - first if place == 0 else first  # first game: baseline is A
            rows.append(Scored(item, METRIC, score, item, slices))
    return [Result(system, str(path), rows) for system, rows in found.items()]


def _board(row: dict[str, str], source: str) -> Result | None:
    told = [number(row.get(name)) for name in ("score", "rating_q025", "rating_q975")]
    if None in told or not row.get("model"):
        return None
    score, low, high = (float(x) for x in told)  # type: ignore[arg-type]
    return Result(row["model"], source, [], (Summary(METRIC, score / 100, (high - low) / 392, 0),))


arena_hard = Reader("arena-hard judgements (JSONL) and leaderboards (CSV)", _recognises, _read)
