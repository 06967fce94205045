"""Files that are either whole or absent: written beside their place, then renamed into it."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from truenorth.base.errors import UserError, unreadable

JSON_LINES = "an object a line, as JSON"
HALF = re.compile("[\ud800-\udfff]")  # half of a surrogate pair: JSON can say it, UTF-8 cannot


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
    """As `write_bytes`, in UTF-8."""
    return write_bytes(path, without_halves(text).encode())


def write_json(path: str | Path, value: Any) -> Path:
    """As `write_text`: a value as JSON, indented by two, and a line end."""
    return write_text(path, json_text(value, indent=2) + "\n")


def write_jsonl(path: str | Path, rows: Iterable[Any]) -> Path:
    """As `write_text`: a row a line. All rows are held in memory until the file is whole."""
    return write_text(path, "".join(json_text(row) + "\n" for row in rows))


def without_halves(text: str) -> str:
    """A text that UTF-8, and so every tokenizer, can hold: half of a surrogate pair becomes U+FFFD."""
    return HALF.sub("\ufffd", text)


def json_text(value: Any, *, indent: int | None = None, allow_nan: bool = True) -> str:
    """JSON that UTF-8 can hold: as it reads, or in escapes where it has half of a surrogate pair."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=allow_nan)
    return json.dumps(value, indent=indent, allow_nan=allow_nan) if HALF.search(text) else text


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
        except (ValueError, RecursionError) as error:
            where, said = f"{path}, line {number}", getattr(error, "msg", str(error))
            raise UserError(f"not JSON ({said})", where=where, expected=JSON_LINES) from error
        if not isinstance(row, dict):
            raise UserError("not an object", where=f"{path}, line {number}", expected=JSON_LINES)
        yield row


def _lines(path: str | Path) -> Iterator[str]:
    """Lines of a text; only a line feed ends one, for JSON may hold U+2028 and the like as they are."""
    with open_text(path) as file:
        yield next(file, "").removeprefix("\ufeff")
        yield from file


@contextmanager
def open_text(path: str | Path, *, encoding: str = "utf-8", newline: str | None = "\n") -> Iterator[IO[str]]:
    """A file of UTF-8 text for reading, gzipped (.gz) or not.

    Args:
        encoding: "utf-8-sig" leaves a byte order mark out.
        newline: as `open` takes it; only a line feed ends a line unless given.

    Raises:
        UserError: no such file, not readable, damaged, or no text, also where that is found while it is read.
    """
    zipped = Path(path).suffix.lower() == ".gz"
    try:
        with (gzip.open if zipped else open)(path, "rt", encoding=encoding, newline=newline) as file:
            yield file
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error


def suffix_of(path: str | Path) -> str:
    """What kind of file it is: `.jsonl` of rows.jsonl, of ROWS.JSONL and of rows.jsonl.gz."""
    name = Path(path).name.lower().removesuffix(".gz")
    return Path(name).suffix


def content_hash(value: Any, length: int = 16) -> str:
    """A hash of bytes, text or anything JSON can say; the same in every process. `length` hex digits."""
    if isinstance(value, str):
        value = value.encode(errors="surrogatepass")
    if not isinstance(value, bytes):
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
        value = text.encode(errors="surrogatepass")
    return hashlib.sha256(value).hexdigest()[:length]
