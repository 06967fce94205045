"""Plain tables, CSV, JSON or JSONL: a row an item (and system), with a column that names the item and a score."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from truenorth.base import UserError
from truenorth.measure.readers._files import (
    beginning,
    csv_rows,
    first_line,
    json_lines,
    json_of,
    kind_of,
    number,
    stem,
)
from truenorth.measure.readers._types import Reader, Result, Scored

ITEM = tuple(
    "item item_id id question_id prompt_id instruction_id doc_id idx prompt question instruction input".split()
)
SCORE = ("score", "correct", "is_correct", "passed", "success", "win", "value", "acc")
SYSTEM, METRIC, CLUSTER = ("system", "model", "generator"), ("metric", "principle"), ("cluster", "group")
FEW = 30  # a column with more different values than this is no slice


def _recognises(path: Path) -> bool:
    kind = kind_of(path)
    if kind == "csv":
        head = {name.strip().strip('"') for name in beginning(path).partition("\n")[0].split(",")}
        return bool(head & set(ITEM)) and bool(head & set(SCORE))
    if kind == "json":
        start = beginning(path)
        return start.lstrip().startswith("[") and any(f'"{name}"' in start for name in SCORE)
    return bool(set(first_line(path)) & set(SCORE))


def _read(path: Path) -> list[Result]:
    kind = kind_of(path)
    reads = {"csv": csv_rows, "json": json_of}
    return from_rows(reads.get(kind, json_lines)(path), name=stem(path), source=str(path))


def from_rows(rows: Iterable[dict[str, Any]], *, name: str, source: str) -> list[Result]:
    """Results of rows as people write them; columns are found by the names above.

    Raises:
        UserError: a row without an item or a score column.
    """
    table = list(rows)
    if not table:
        return []
    columns = list(table[0])
    item, score = (_column(columns, known, source) for known in (ITEM, SCORE))
    system, metric, cluster = (
        next((c for c in known if c in columns), "") for known in (SYSTEM, METRIC, CLUSTER)
    )
    slicing = _slicing(table, set(columns) - {item, score, system, metric, cluster})
    found: dict[str, list[Scored]] = {}
    for row in table:
        key = str(row[item])
        found.setdefault(str(row[system]) if system else name, []).append(
            Scored(
                key,
                str(row[metric]) if metric else score,
                number(row.get(score)),
                str(row[cluster]) if cluster and row.get(cluster) not in (None, "") else key,
                {c: str(row[c]) for c in slicing if row.get(c) not in (None, "")},
            )
        )
    return [Result(one, source, scored) for one, scored in found.items()]


def _column(columns: list[str], known: tuple[str, ...], source: str) -> str:
    found = next((c for c in known if c in columns), None)
    if found is None:
        raise UserError(f"columns {', '.join(columns)}", where=source, expected=f"one of {', '.join(known)}")
    return found


def _slicing(table: list[dict[str, Any]], columns: set[str]) -> list[str]:
    """Columns of words with few values, each more than once."""
    found = []
    for column in sorted(columns):
        values = {
            str(v) for row in table if (v := row.get(column)) not in (None, "") and isinstance(v, str | bool)
        }
        words = all(number(v) is None for v in values) or values <= {"true", "false", "True", "False"}
        if 1 < len(values) <= min(FEW, len(table) // 2) and words:
            found.append(column)
    return found


table = Reader("CSV, JSON or JSONL with an item and a score a row", _recognises, _read)
