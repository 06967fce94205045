"""lm-evaluation-harness: `samples_TASK_*.jsonl`, a folder of them, or a results file with `samples` in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from truenorth.base import UserError
from truenorth.measure.readers._files import beginning, first_line, json_lines, json_of, kind_of, number
from truenorth.measure.readers._types import Reader, Result, Scored

KNOWN = {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"}
KNOWN |= {"doc_hash", "prompt_hash", "target_hash"}


def _recognises(path: Path) -> bool:
    if path.is_dir():
        return bool(_sample_files(path))
    if kind_of(path) == "json":
        start = beginning(path)
        return '"results"' in start and ('"n-shot"' in start or "_stderr," in start or ",none" in start)
    return {"doc_id", "filtered_resps"} <= set(first_line(path))


def _read(path: Path) -> list[Result]:
    if path.is_dir():
        rows = [row for file in _sample_files(path) for row in _rows(json_lines(file), _task(file))]
        return [Result(path.name, str(path), rows)]
    if kind_of(path) == "jsonl":
        return [
            Result(path.parent.name or _task(path), str(path), list(_rows(json_lines(path), _task(path))))
        ]
    log = json_of(path)
    if not log.get("samples"):
        raise UserError(
            "results without samples",
            where=str(path),
            fix="run lm_eval with --log_samples, and give the folder",
        )
    model = str(log.get("model_name") or log.get("config", {}).get("model_args") or path.stem)
    return [Result(model, str(path), [r for task, rows in log["samples"].items() for r in _rows(rows, task)])]


def _sample_files(folder: Path) -> list[Path]:
    """The newest file of each task, anywhere below the folder."""
    newest = {_task(file): file for file in sorted(folder.rglob("samples_*.jsonl"))}
    return list(newest.values())


def _task(path: Path) -> str:
    name = re.sub(r"_\d{4}-\d\d-\d\dT[\d.:-]+$", "", path.name.removesuffix(".gz").removesuffix(".jsonl"))
    return name.removeprefix("samples_")


def _rows(rows: Iterable[dict[str, Any]], task: str) -> Iterator[Scored]:
    for row in rows:
        item = f"{task}/{row.get('doc_hash') or row['doc_id']}"
        told = row.get("metrics") or [k for k in row if k not in KNOWN]
        chosen = row.get("filter", "none")
        for metric in told:
            value = number(row.get(metric))
            if value is not None or row.get(metric) is None:  # lists belong to corpus metrics
                name = metric if chosen == "none" else f"{metric},{chosen}"
                yield Scored(item, name, value, item, {"task": task})


lm_eval = Reader("lm-eval samples (JSONL, folder, or JSON)", _recognises, _read)
