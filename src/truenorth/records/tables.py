"""Tables as people have them: JSONL, JSON, Parquet, Arrow, CSV, folders of datasets, ids of the hub."""

from __future__ import annotations

import csv
import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from truenorth.base import (
    UserError,
    json_text,
    open_text,
    read_jsonl,
    suffix_of,
    unreadable,
    write_bytes,
    write_jsonl,
    write_text,
)
from truenorth.records.columns import from_table, to_table
from truenorth.records.types import Row

SUFFIXES = (".jsonl", ".ndjson", ".json", ".parquet", ".arrow", ".csv", ".tsv")
HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?(:[\w.-]+)?")
Table = list[dict[str, Any]]


def names_hub(name: str) -> bool:
    """Would a name that is no file be looked for on the hub?"""
    return suffix_of(Path(name)) not in SUFFIXES and HUB_ID.fullmatch(name) is not None


def read_rows(
    path_or_hub_id: str | Path,
    *,
    columns: Sequence[str] | Mapping[str, str] | None = None,
    split: str = "train",
) -> Table:
    """Rows of a file, of a folder (saved by `datasets`, or holding table files), or of a dataset on the hub.

    Args:
        path_or_hub_id: a path; else OWNER/NAME or OWNER/NAME:CONFIGURATION, fetched through `datasets`.
        columns: keep these; a mapping {ours: theirs} also renames.
        split: of a dataset with splits.

    Raises:
        UserError: no such file or dataset, not readable, no rows, or a column that is not there.
    """
    path = Path(path_or_hub_id)
    if path.is_dir():
        rows = _read_folder(path, split)
    elif path.is_file():
        rows = _read_file(path)
    elif not names_hub(str(path_or_hub_id)):
        raise UserError("no such file", where=str(path_or_hub_id), fix=_beside(path))
    else:
        rows = _read_hub(str(path_or_hub_id), split)
    if not rows:
        raise UserError("no rows", where=str(path_or_hub_id), expected="at least one row")
    return rows if columns is None else select(rows, columns, where=str(path_or_hub_id))


def select(rows: Table, columns: Sequence[str] | Mapping[str, str], *, where: str = "") -> Table:
    """The rows with these columns only, renamed where `columns` maps {ours: theirs}."""
    if isinstance(columns, str):
        columns = [columns]
    wanted = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns}
    known = list(dict.fromkeys(name for row in rows for name in row))
    for theirs in wanted.values():
        if theirs not in known:
            near = difflib.get_close_matches(theirs, known, n=1)
            hint = f"did you mean {near[0]}?" if near else ""
            raise UserError(
                f"no column {theirs!r}", where=where, expected="one of " + ", ".join(known), fix=hint
            )
    return [{ours: row[theirs] for ours, theirs in wanted.items() if theirs in row} for row in rows]


def write_table(path: str | Path, rows: Sequence[Mapping[str, Any] | Row]) -> Path:
    """Write rows, whole or not at all, in the form that the suffix names: .parquet, .jsonl or .json.

    What is written is read back equal by `read_rows` (tuples as lists). Rows of `Row` get `id` and `source`.

    Raises:
        UserError: another suffix, or the file cannot be written.
    """
    path, plain = Path(path), [row.to_dict() if isinstance(row, Row) else dict(row) for row in rows]
    if path.suffix == ".parquet":
        if plain and not any(plain):
            raise UserError("rows without columns", where=str(path))
        sink = pa.BufferOutputStream()
        pq.write_table(to_table(plain), sink, compression="zstd")
        return write_bytes(path, sink.getvalue().to_pybytes())
    if path.suffix in (".jsonl", ".ndjson"):
        return write_jsonl(path, plain)
    if path.suffix == ".json":
        return write_text(path, json_text(plain, indent=1) + "\n")
    raise UserError(
        f"cannot write {path.suffix or 'no suffix'}", where=str(path), expected=".parquet or .jsonl"
    )


def _read_file(path: Path) -> Table:
    suffix = suffix_of(path)
    if path.stat().st_size == 0:
        raise UserError("the file is empty", where=str(path))
    if suffix in (".jsonl", ".ndjson"):
        return list(read_jsonl(path))
    if suffix == ".json":
        return _read_json(path)
    if suffix in (".csv", ".tsv"):
        return list(read_csv(path, "\t" if suffix == ".tsv" else ","))
    if suffix == ".parquet":
        return from_table(_arrow(path, lambda: pq.read_table(path)))
    if suffix == ".arrow":
        return from_table(_arrow(path, lambda: _read_ipc(path)))
    kind = f"unknown kind of file {suffix!r}" if suffix else "a file without a suffix"
    expected = ", ".join(SUFFIXES) + "; all but Parquet and Arrow may be .gz"
    raise UserError(kind, where=str(path), expected=expected)


def _arrow(path: Path, read: Any) -> pa.Table:
    try:
        return read()
    except (pa.ArrowInvalid, OSError) as error:
        said = str(error).splitlines()[0]
        raise UserError(f"not readable ({said})", where=str(path), fix="is it whole?") from error


def _read_ipc(path: Path) -> pa.Table:
    """`datasets` writes Arrow streams; others write Arrow files."""
    with pa.OSFile(str(path), "rb") as file:
        is_file = file.read(6) == b"ARROW1"
        file.seek(0)
        return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(file).read_all()


def _read_json(path: Path) -> Table:
    with open_text(path, encoding="utf-8-sig") as file:
        text = file.read()
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        what = f"not JSON ({error.msg})"
        raise UserError(
            what, where=f"{path}, line {error.lineno}", fix="an object a line? name it .jsonl"
        ) from error
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits; lists a thousand deep
        raise UserError(f"not JSON ({error})", where=str(path)) from error
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise UserError("not a list of objects", where=str(path), expected='[{"prompt": ...}, ...]')
    return value


def read_csv(path: Path, delimiter: str) -> Iterator[dict[str, Any]]:
    """Rows one by one, every value as text, for CSV knows no types."""
    csv.field_size_limit(2**31 - 1)  # Python's own limit of 128 KiB is shorter than some documents
    try:
        with open_text(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter, strict=True)
            names = list(reader.fieldnames or [])
            if twice := [name for name in names if names.count(name) > 1]:
                raise UserError(f"two columns {twice[0]!r}", where=str(path), fix="rename one of them")
            for row in reader:
                if None in row or None in row.values():
                    raise UserError(
                        "more or fewer values than columns",
                        where=f"{path}, line {reader.line_num}",
                        expected=f"{len(names)} values",
                    )
                yield dict(row)
    except csv.Error as error:
        raise unreadable(path, error) from error


def _read_folder(path: Path, split: str) -> Table:
    if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
        import datasets

        try:
            loaded = datasets.load_from_disk(str(path))
        except (OSError, ValueError, KeyError, json.JSONDecodeError, pa.ArrowInvalid) as error:
            raise UserError(
                f"not readable by datasets ({error})", where=str(path), fix="is it whole?"
            ) from error
        return _of_split(loaded, split, str(path))
    files = sorted(file for file in path.rglob("*") if suffix_of(file) in SUFFIXES and file.is_file())
    of_split = [file for file in files if file.stem.startswith(split)]
    tables = [file for file in of_split or files if suffix_of(file) != ".json"]
    if not tables:
        expected = "a folder saved by datasets, or files " + ", ".join(SUFFIXES)
        raise UserError("no tables in this folder", where=str(path), expected=expected)
    return [row for file in tables for row in _read_file(file)]


def _read_hub(name: str, split: str) -> Table:
    import datasets

    repository, _, configuration = name.partition(":")
    try:
        loaded = datasets.load_dataset(repository, configuration or None)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        fix = "check the path, the id and the network"
        raise UserError(f"no such file, and not found on the hub ({said})", where=name, fix=fix) from error
    return _of_split(loaded, split, name)


def _of_split(loaded: Any, split: str, where: str) -> Table:
    if not hasattr(loaded, "column_names"):
        raise UserError("not a dataset", where=where)
    if isinstance(loaded.column_names, dict):
        if split not in loaded:
            raise UserError(f"no split {split!r}", where=where, expected="one of " + ", ".join(loaded))
        loaded = loaded[split]
    return loaded.to_list()


def _beside(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    near = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], n=1)
    return f"did you mean {path.parent / near[0]}?" if near else "check the path"
