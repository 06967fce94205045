"""Files that are either whole or absent: written beside their place, then renamed into it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from truenorth.base.errors import UserError

JSON_LINES = "an object a line, as JSON"


def write_bytes(path: str | Path, data: bytes) -> Path:
    """Write atomically: a reader sees the old content or the new, never a part.

    Raises:
        UserError: the folder cannot be written, or the disk is full.
    """
    path = Path(path)
    handle, temporary = -1, ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise UserError(
            f"cannot write ({error.strerror})", where=str(path), fix="free space or choose another folder"
        ) from error
    return path


def write_text(path: str | Path, text: str) -> Path:
    return write_bytes(path, text.encode())


def write_json(path: str | Path, value: Any) -> Path:
    return write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_jsonl(path: str | Path, rows: Iterable[Any]) -> Path:
    return write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_jsonl(path: str | Path) -> Iterator[dict[str, Any]]:
    """Rows of a JSONL file, one line in memory at a time; blank lines are skipped.

    Raises:
        UserError: the file is missing, or a line is not a JSON object, with its number.
    """
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            where = f"{path}, line {number}"
            raise UserError(f"not JSON ({error.msg})", where=where, expected=JSON_LINES) from error
        if not isinstance(row, dict):
            raise UserError("not an object", where=f"{path}, line {number}", expected=JSON_LINES)
        yield row


def _lines(path: str | Path) -> Iterator[str]:
    """Lines of a text; only a line feed ends one, for JSON may hold U+2028 and the like as they are."""
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            yield from file
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read ({error})", where=str(path)) from error


def content_hash(value: Any, length: int = 16) -> str:
    """A hash of bytes, text or anything JSON can say; the same in every process. `length` hex digits."""
    if isinstance(value, str):
        value = value.encode(errors="surrogatepass")
    if not isinstance(value, bytes):
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
        value = text.encode(errors="surrogatepass")
    return hashlib.sha256(value).hexdigest()[:length]
