"""Columns of JSON values in Arrow and back, exactly: no key added, no 1 turned into 1.0.

A column is stored natively (strings, numbers, chats as lists of structs) where Arrow gives back the very same
values, so that pandas, datasets and DuckDB read it as one expects; otherwise as JSON text. The field's
metadata says which, so that files of a run's steps and written tables read alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

# The key in a field's metadata. The value says what a null means: None ("none") or no such key (the others).
FORM = b"truenorth"
_MISSING = object()


def to_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as a table with the columns of all of them, in order of first appearance."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [_column(name, [row.get(name, _MISSING) for row in rows]) for name in names]
    schema = pa.schema([field for field, _ in columns])
    return pa.Table.from_arrays([array for _, array in columns], schema=schema)


def from_table(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of a table: as they went into `to_table`, or as Arrow gives them if it came from elsewhere."""
    rows: list[dict[str, Any]] = [{} for _ in range(table.num_rows)]
    for position, field in enumerate(table.schema):
        form = (field.metadata or {}).get(FORM, b"none")
        for row, value in zip(rows, table.column(position).to_pylist()):
            if value is not None:
                row[field.name] = json.loads(value) if form == b"json" else value
            elif form == b"none":
                row[field.name] = None
    return rows


def _column(name: str, values: list[Any]) -> tuple[pa.Field, pa.Array]:
    absent, empty = any(v is _MISSING for v in values), any(v is None for v in values)
    native = None if absent and empty else _native([None if v is _MISSING else v for v in values])
    if native is not None:
        return pa.field(name, native.type, metadata={FORM: b"absent" if absent else b"none"}), native
    texts = [None if v is _MISSING else json.dumps(v) for v in values]  # ASCII: lone surrogates survive
    return pa.field(name, pa.string(), metadata={FORM: b"json"}), pa.array(texts, pa.string())


def _native(values: list[Any]) -> pa.Array | None:
    """Arrow's array of these values if it gives back the very same ones."""
    try:
        array = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, UnicodeError):
        return None
    if "struct<>" in str(array.type):  # Parquet has no struct without fields
        return None
    return array if json.dumps(array.to_pylist(), default=str) == json.dumps(values, default=str) else None
