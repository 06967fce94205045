"""Tables larger than memory: rows of a file batch by batch, and batches to a file that is whole or absent."""

from __future__ import annotations

import csv
import errno
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from truenorth.base import UserError, json_text, read_jsonl, suffix_of
from truenorth.records.columns import FORM, from_table, to_table
from truenorth.records.tables import Table, read_csv, read_rows

SIZE = 8192  # rows of a batch
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
WRITTEN = (".jsonl", ".ndjson", ".parquet", ".csv", ".tsv")


def read_batches(path: str | Path, *, size: int = SIZE) -> Iterator[Table]:
    """The rows of a file in batches of at most `size`, in order; a file without rows has none.

    JSONL, CSV and Parquet files are read as a stream, others (JSON, Arrow) whole.

    Raises:
        UserError: no such file, not readable, or a row that is not one, with its number.
    """
    path = Path(path)
    if path.is_file() and path.suffix == ".parquet":
        yield from _parquet(path, size)
        return
    if path.is_file() and suffix_of(path) in (".jsonl", ".ndjson"):
        rows = read_jsonl(path)
    elif path.is_file() and suffix_of(path) in (".csv", ".tsv"):
        rows = read_csv(path, "\t" if suffix_of(path) == ".tsv" else ",")
    else:
        rows = iter(read_rows(path))
    while batch := list(islice(rows, size)):
        yield batch


def _parquet(path: Path, size: int) -> Iterator[Table]:
    try:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):  # all at once, the whole file's buffers would stay
                for batch in file.iter_batches(batch_size=size, row_groups=[group], use_threads=False):
                    yield from_table(pa.Table.from_batches([batch]))
    except (pa.ArrowInvalid, OSError) as error:
        said = str(error).splitlines()[0]
        raise UserError(f"not readable ({said})", where=str(path), fix="is it whole?") from error


def check_suffix(path: str | Path) -> None:
    """Raise UserError unless `write_batches` can write such a file."""
    if Path(path).suffix not in WRITTEN:
        what = f"cannot write {Path(path).suffix or 'a file without a suffix'}"
        raise UserError(what, where=str(path), expected=", ".join(WRITTEN))


def write_batches(path: str | Path, batches: Iterable[Sequence[Mapping[str, Any]]]) -> int:
    """Write rows as they come and return their number. What is written is read back equal by `read_rows`.

    In Parquet a column is stored natively if it can be in every batch, else as JSON text (`records.columns`); until
    that is known the rows wait in a temporary file. In CSV values are text, and lists and objects JSON text.

    Raises:
        UserError: another suffix, the file cannot be written, or (CSV) a row with columns that the first has not.
    """
    path = Path(path)
    check_suffix(path)
    write = {".parquet": _write_parquet, ".csv": _write_csv, ".tsv": _write_csv}.get(
        path.suffix, _write_jsonl
    )
    with replacing(path) as part:
        return write(part, batches, path)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, which takes its name when the block ends without an error.

    Raises:
        UserError: the folder cannot be written, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        yield Path(part)
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.chmod(part, 0o644)
        os.replace(part, path)
    except OSError as error:
        if error.errno in FULL or os.path.isdir(path):
            raise _unwritable(path, error) from error
        raise
    finally:
        if os.path.exists(part):
            os.unlink(part)


def _unwritable(path: Path, error: OSError) -> UserError:
    fix = "free space or choose another folder"
    return UserError(f"cannot write ({error.strerror or error})", where=str(path), fix=fix)


def _write_jsonl(part: Path, batches: Iterable[Sequence[Mapping[str, Any]]], path: Path) -> int:
    count = 0
    with open(part, "w", encoding="utf-8") as file:
        for batch in batches:
            file.writelines(json_text(row) + "\n" for row in batch)
            count += len(batch)
    return count


def _write_csv(part: Path, batches: Iterable[Sequence[Mapping[str, Any]]], path: Path) -> int:
    count, columns = 0, list[str]()
    with open(part, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",", lineterminator="\n")
        for batch in batches:
            for row in batch:
                if not columns:
                    columns = list(row)
                    writer.writerow(columns)
                if extra := [name for name in row if name not in columns]:
                    what = f"row {count} has columns that the first row has not: {', '.join(extra)}"
                    raise UserError(what, where=str(path), fix="write .jsonl or .parquet")
                writer.writerow([_cell(row.get(name)) for name in columns])
                count += 1
    return count


def _cell(value: Any) -> Any:
    return json_text(value) if isinstance(value, (list, tuple, dict)) else value


def _write_parquet(part: Path, batches: Iterable[Sequence[Mapping[str, Any]]], path: Path) -> int:
    count, forms = 0, dict[str, _Form]()
    with tempfile.TemporaryFile(dir=part.parent) as spool:
        for batch in batches:
            if batch:
                table = to_table(batch)
                if not table.num_columns:
                    raise UserError("rows without columns", where=str(path))
                _meet(forms, table, count)
                with pa.ipc.new_stream(spool, table.schema) as stream:
                    stream.write_table(table)
                count += len(batch)
        size = spool.tell()
        spool.seek(0)
        schema = pa.schema([form.field(name) for name, form in forms.items()])
        with pq.ParquetWriter(part, schema, compression="zstd") as writer:
            for table in _tables(spool, size):
                writer.write_table(_fitted(table, schema))
    return count


def _tables(spool: IO[bytes], size: int) -> Iterator[pa.Table]:
    while spool.tell() < size:
        with pa.ipc.open_stream(spool) as stream:
            yield stream.read_all()


@dataclass
class _Form:
    """What the batches so far say of a column."""

    types: list[pa.DataType] = field(default_factory=list)
    text: bool = False  # stored as JSON in a batch
    absent: bool = False  # no such key in a row
    none: bool = False  # None in a row

    def field(self, name: str) -> pa.Field:
        if self.text or len(self.types) > 1 or (self.absent and self.none):
            return pa.field(name, pa.string(), metadata={FORM: b"json"})
        kind = self.types[0] if self.types else pa.null()
        return pa.field(name, kind, metadata={FORM: b"absent" if self.absent else b"none"})


def _meet(forms: dict[str, _Form], table: pa.Table, before: int) -> None:
    """Take a batch's columns into account; `before`: rows seen until now."""
    for name in forms:
        forms[name].absent |= name not in table.column_names
    for column in table.schema:
        form = forms.setdefault(column.name, _Form(absent=before > 0))
        said = (column.metadata or {}).get(FORM, b"none")
        form.text |= said == b"json"
        empty = table[column.name].null_count > 0
        form.absent |= said == b"absent" and empty
        form.none |= said == b"none" and empty
        if column.type != pa.null() and column.type not in form.types:
            form.types.append(column.type)


def _fitted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A batch in the form that all of them share."""
    rows: Table | None = None
    columns = []
    for column in schema:
        if column.metadata[FORM] == b"json":
            rows = from_table(table) if rows is None else rows
            texts = [json.dumps(row[column.name]) if column.name in row else None for row in rows]
            columns.append(pa.array(texts, pa.string()))
        elif column.name in table.column_names:
            columns.append(table[column.name].cast(column.type))
        else:
            columns.append(pa.nulls(table.num_rows, column.type))
    return pa.Table.from_arrays(columns, schema=schema)
