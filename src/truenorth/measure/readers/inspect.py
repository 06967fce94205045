"""inspect_ai logs, `.json` or `.eval` (a zip whose members may be zstandard-packed)."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from truenorth.base import UserError
from truenorth.measure.readers._files import beginning, json_of, kind_of, number
from truenorth.measure.readers._types import Reader, Result, Scored

LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5}  # "N", no answer, has no score: inspect itself counts it as 0
ZSTANDARD = 93


def _recognises(path: Path) -> bool:
    if kind_of(path) == "eval":
        return zipfile.is_zipfile(path)
    start = beginning(path) if kind_of(path) == "json" else ""
    return '"eval"' in start and ('"task"' in start or '"eval_id"' in start) and '"version"' in start


def _read(path: Path) -> list[Result]:
    header, samples = _packed(path) if kind_of(path) == "eval" else _plain(path)
    told = header.get("eval", {})
    rows = [row for sample in samples for row in _scores(sample, str(told.get("task", "")))]
    return [Result(str(told.get("model", path.stem)), str(path), rows)]


def _plain(path: Path) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    log = json_of(path)
    return log, iter(log.get("samples") or [])


def _packed(path: Path) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    archive = zipfile.ZipFile(path)
    names = archive.namelist()
    start = "header.json" if "header.json" in names else "_journal/start.json"
    if start not in names:
        raise UserError("no header in this log", where=str(path), fix="was the evaluation cut off?")
    samples = (n for n in names if n.startswith("samples/") and n.endswith(".json"))
    return json.loads(_member(archive, start)), (json.loads(_member(archive, n)) for n in samples)


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member's bytes; zstandard, which Python reads from 3.14 on, is unpacked by Arrow."""
    info = archive.getinfo(name)
    if info.compress_type != ZSTANDARD:
        return archive.read(name)
    import pyarrow

    file = archive.fp
    assert file is not None
    file.seek(info.header_offset)
    name_size, extra_size = struct.unpack("<HH", file.read(30)[26:30])
    file.seek(info.header_offset + 30 + name_size + extra_size)
    packed = file.read(info.compress_size)
    return pyarrow.decompress(packed, info.file_size, "zstd", asbytes=True)


def _scores(sample: dict[str, Any], task: str) -> Iterator[Scored]:
    metadata = sample.get("metadata") or {}
    slices = {str(k): str(v) for k, v in metadata.items() if isinstance(v, str | bool | int)}
    slices |= {"task": task} if task else {}
    item = f"{task}/{sample.get('id')}"
    for scorer, score in (sample.get("scores") or {}).items():
        value = score.get("value") if isinstance(score, dict) else score
        parts = value if isinstance(value, dict) else {"": value}
        for part, one in parts.items():
            metric = f"{scorer}/{part}" if part else scorer
            yield Scored(item, metric, _value(one), item, slices)


def _value(value: Any) -> float | None:
    return LETTERS[value] if isinstance(value, str) and value in LETTERS else number(value)


inspect = Reader("inspect_ai logs (.eval, .json)", _recognises, _read)
