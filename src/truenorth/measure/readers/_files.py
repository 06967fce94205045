"""Opening what others write: JSON, JSON lines and CSV, plain or gzipped."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from truenorth.base import UserError, open_text, unreadable

BEGINNING = 65_536  # characters that tell a format


def opened(path: Path) -> AbstractContextManager[IO[str]]:
    """The file as text; `.gz` is unpacked on the way.

    Raises:
        UserError: it cannot be read, or is no text.
    """
    return open_text(path, encoding="utf-8-sig", newline="")


def kind_of(path: Path) -> str:
    """The last suffix that is not .gz, without the dot."""
    suffixes = [s for s in path.suffixes if s != ".gz"]
    return suffixes[-1].lstrip(".").lower() if suffixes and path.is_file() else ""


def beginning(path: Path) -> str:
    """The first characters, "" where it is no text."""
    try:
        with opened(path) as file:
            return file.read(BEGINNING)
    except UserError:
        return ""


def first_line(path: Path) -> dict[str, Any]:
    """The first row of a JSONL file, {} where there is none."""
    if kind_of(path) not in ("jsonl", "ndjson"):
        return {}
    try:
        with opened(path) as file:
            value = json.loads(next((line for line in file if line.strip()), "{}"))
    except (ValueError, RecursionError, UserError):
        return {}
    return value if isinstance(value, dict) else {}


def json_of(path: Path) -> Any:
    """A JSON file.

    Raises:
        UserError: it is not JSON.
    """
    try:
        with opened(path) as file:
            return json.load(file)
    except (ValueError, RecursionError) as error:
        raise UserError(f"not JSON ({error})", where=str(path)) from error


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a JSONL file, split at line feeds only (U+2028 is text).

    Raises:
        UserError: a line is not a JSON object.
    """
    with opened(path) as file:
        for number, line in enumerate(file.read().split("\n"), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UserError(f"not JSON ({error})", where=f"{path}, line {number}") from error
            if not isinstance(row, dict):
                raise UserError("not an object", where=f"{path}, line {number}", expected="an object a line")
            yield row


def csv_rows(path: Path) -> Iterator[dict[str, str]]:
    """
    Raises:
        UserError: it is not CSV.
    """
    csv.field_size_limit(2**31 - 1)
    try:
        with opened(path) as file:
            yield from csv.DictReader(file)
    except csv.Error as error:
        raise unreadable(path, error) from error


def number(value: Any) -> float | None:
    """A finite number, True and False as 1 and 0; None for everything else."""
    if isinstance(value, str):
        text = value.strip().lower()
        if text in ("true", "false"):
            return float(text == "true")
        try:
            value = float(text)
        except ValueError:
            return None
    if isinstance(value, bool | int | float) and value == value and abs(value) != float("inf"):
        return float(value)
    return None


def stem(path: Path) -> str:
    """The file's name without its suffixes."""
    return path.name.split(".")[0] or path.name
