"""What a step's output depends on, as one hash: plain values, rows, files, and records made of these."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any

from truenorth.base import content_hash
from truenorth.records import Row


def fingerprint(value: Any) -> str:
    """A hash (16 hex digits) that depends on the content of `value` and nothing else.

    Rows count by their ids, files and folders by their bytes (not by where they are), dataclasses by their
    fields, anything with a `hash` attribute (a constitution) by that. The order of a dict's keys is nothing.

    Raises:
        TypeError: something that has no content to hash, such as a function, a set or a model.
    """
    return content_hash(_plain(value, "inputs"))


def _plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        return {"bytes": content_hash(value)}
    if isinstance(value, Row):
        return {"row": value.id}
    if isinstance(value, Path):
        return {"files": file_hash(value)}
    if isinstance(value, Enum):
        return _plain(value.value, where)
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(getattr(value, "hash", None), str):
        return {type(value).__name__: value.hash}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name), f"{where}.{f.name}") for f in fields(value)}
    raise TypeError(f"{where}: a {type(value).__name__} has no content to hash; pass what it is made from")


def file_hash(path: Path) -> str:
    """A hash of a file's bytes, or of a folder's file names and bytes. Hidden files are skipped."""
    if path.is_dir():
        files = sorted(f for f in path.rglob("*") if f.is_file() and not f.name.startswith("."))
        return content_hash({str(f.relative_to(path)): file_hash(f) for f in files})
    known = path.stat()
    return _bytes_hash(path.resolve(), known.st_size, known.st_mtime_ns)


@lru_cache(maxsize=10_000)
def _bytes_hash(path: Path, size: int, mtime_ns: int) -> str:
    """Gigabytes of weights that several steps depend on are read once while size and time stay the same."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
