"""An append-only file of JSON lines that survives a kill: no torn lines, nothing rewritten."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from truenorth.base import UserError, json_text
from truenorth.engine.atomic import storage_errors, write_point


class Journal:
    """JSON lines that are appended one at a time. `entries` has what was there when it was opened, and since.

    A line that a kill cut short is removed on opening. Numbers that JSON cannot say (NaN, infinities) are
    written as the strings "NaN", "Infinity" and "-Infinity", which `float()` reads back.
    """

    def __init__(self, path: Path):
        self.path = path
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            whole = _whole_lines(path.read_bytes())
            os.ftruncate(self._handle, len(whole))
        self.entries = _parse(whole, path)
        self._size = len(whole)

    def append(self, entry: Mapping[str, Any]) -> None:
        """Add one line. On a full disk the half-written line is taken back.

        Raises:
            UserError: the disk is full or cannot be written.
        """
        line = json_text(_sayable(dict(entry)), allow_nan=False).encode() + b"\n"
        write_point()
        with storage_errors(self.path):
            try:
                done = os.write(self._handle, line)
                while done < len(line):
                    done += os.write(self._handle, line[done:])
            except OSError:
                os.ftruncate(self._handle, self._size)
                raise
        write_point()
        self._size += len(line)
        self.entries.append(dict(entry))

    def sync(self) -> None:
        """Wait until the lines would survive a power cut."""
        os.fsync(self._handle)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal that somebody else may be writing; [] where there is none."""
    return _parse(_whole_lines(path.read_bytes()), path) if path.exists() else []


def _whole_lines(data: bytes) -> bytes:
    return data[: data.rfind(b"\n") + 1]


def _parse(data: bytes, path: Path) -> list[dict[str, Any]]:
    entries = []
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            entries.append(json.loads(line))
        except ValueError as error:
            where = f"{path}, line {number}"
            raise UserError("not JSON", where=where, fix="the file was edited; start afresh") from error
    return entries


def _sayable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sayable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_sayable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
