"""HarmBench results: behaviour -> attempts with the classifier's label (1 harmful, 0 not, -1 unreadable)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from truenorth.measure.readers._files import beginning, json_of, kind_of, stem
from truenorth.measure.readers._types import Reader, Result, Scored

METRIC = "attack success"


def _recognises(path: Path) -> bool:
    start = beginning(path) if kind_of(path) == "json" else ""
    return start.lstrip().startswith("{") and '"generation"' in start and '"label"' in start


def _read(path: Path) -> list[Result]:
    rows = [
        Scored(behaviour, METRIC, _label(attempt.get("label")), behaviour)
        for behaviour, attempts in json_of(path).items()
        for attempt in attempts
    ]
    return [Result(stem(path), str(path), rows, lower=frozenset({METRIC}))]


def _label(value: Any) -> float | None:
    """-1 and everything else that is not 0 or 1 is no verdict; HarmBench itself counts it as a defence."""
    return float(value) if value in (0, 1) else None


harmbench = Reader("HarmBench results (JSON)", _recognises, _read)
