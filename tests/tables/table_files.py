"""Opening the public data folders."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest


def need(shared: Path, name: str) -> Path:
    folder = shared / "data" / name
    if not folder.is_dir():
        pytest.skip(f"needs the public data folder {name}")
    return folder


def lines(path: Path) -> list[dict[str, Any]]:
    """JSON lines; split at line feeds only, since some texts hold U+2028."""
    return [json.loads(line) for line in _text(path).split("\n") if line]


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(_text(path), newline="")))


def _text(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
