"""garak's report JSONL: its attempts, one score an output and detector; 1 is a hit.

A prompt is an item, so that two scans pair; its outputs are samples of it. garak counts outputs as independent.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from truenorth.base import content_hash
from truenorth.measure.readers._files import first_line, json_lines, number, stem
from truenorth.measure.readers._types import Reader, Result, Scored

FINISHED = 2
THRESHOLD = 0.5  # garak's eval_threshold


def _recognises(path: Path) -> bool:
    return "entry_type" in first_line(path)


def _read(path: Path) -> list[Result]:
    system, threshold = stem(path), THRESHOLD
    rows: list[Scored] = []
    for entry in json_lines(path):
        if entry["entry_type"] == "start_run setup":
            names = ("plugins.target_name", "plugins.model_name", "plugins.model_type")
            system = next((str(entry[n]) for n in names if entry.get(n)), system)
            threshold = number(entry.get("run.eval_threshold")) or threshold
        if entry["entry_type"] == "attempt" and entry.get("status") == FINISHED:
            rows += _attempt(entry, threshold)
    return [Result(system, str(path), rows, lower=frozenset(row.metric for row in rows))]


def _attempt(entry: dict[str, Any], threshold: float) -> Iterator[Scored]:
    probe = str(entry.get("probe_classname", ""))
    item = f"{probe}/{content_hash(entry.get('prompt'))}"
    for detector, scores in (entry.get("detector_results") or {}).items():
        for value in scores:
            told = number(value)
            hit = None if told is None else float(told >= threshold)
            yield Scored(item, detector, hit, item, {"probe": probe})


garak = Reader("garak reports (JSONL)", _recognises, _read)
