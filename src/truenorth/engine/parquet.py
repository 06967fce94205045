"""Rows to Parquet bytes and back, exactly: whatever JSON can say comes back as it was.

A column is stored natively (strings, numbers, chats as lists of structs) where Arrow gives back the very
same values, so that pandas, datasets and DuckDB read it as one expects; otherwise as JSON text, marked so in
the schema.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from truenorth.base import UserError
from truenorth.records import Row, Source

RESERVED = ("id", "source")
SOURCE = pa.struct(
    [
        ("producer", pa.string()),
        ("family", pa.string()),
        ("model", pa.string()),
        ("judge", pa.string()),
        ("principle", pa.string()),
        ("constitution", pa.string()),
        ("seed", pa.int64()),
        ("parents", pa.list_(pa.string())),
        ("note", pa.string()),
    ]
)
_FORM = b"truenorth"  # key in a field's metadata: how its values are stored
_MISSING = object()


def to_parquet(rows: Sequence[Row]) -> bytes:
    """Rows as a Parquet file: `id`, the columns of their data, `source`. Equal rows give equal bytes.

    Raises:
        UserError: a row's data has a column named `id` or `source`.
    """
    names = list(dict.fromkeys(name for row in rows for name in row.data))
    for name in RESERVED:
        if name in names:
            raise UserError(f"the column name {name!r} is reserved", where="rows", fix="rename the column")
    columns = [_column(name, [row.data.get(name, _MISSING) for row in rows]) for name in names]
    arrays = [pa.array([row.id for row in rows], pa.string()), *(array for _, array in columns)]
    arrays.append(pa.array([row.source.to_dict() for row in rows], SOURCE))
    schema = [pa.field("id", pa.string()), *(field for field, _ in columns), pa.field("source", SOURCE)]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(schema)), sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def from_parquet(data: bytes) -> list[Row]:
    """The rows of `to_parquet`, exactly as they went in."""
    table = pq.read_table(pa.BufferReader(data))
    ids, sources = table["id"].to_pylist(), table["source"].to_pylist()
    contents: list[dict[str, Any]] = [{} for _ in ids]
    for field in table.schema:
        if field.name in RESERVED:
            continue
        form = (field.metadata or {}).get(_FORM, b"none")
        for content, value in zip(contents, table[field.name].to_pylist()):
            if value is not None:
                content[field.name] = json.loads(value) if form == b"json" else value
            elif form == b"none":
                content[field.name] = None
    return [Row(content, Source.from_dict(s), id=i) for i, content, s in zip(ids, contents, sources)]


def _column(name: str, values: list[Any]) -> tuple[pa.Field, pa.Array]:
    """A field and its values. A null means None (form `none`) or "has no such key" (`absent`, `json`)."""
    absent, empty = any(v is _MISSING for v in values), any(v is None for v in values)
    native = None if absent and empty else _native([None if v is _MISSING else v for v in values])
    if native is not None:
        return pa.field(name, native.type, metadata={_FORM: b"absent" if absent else b"none"}), native
    texts = [None if v is _MISSING else json.dumps(v) for v in values]  # ASCII: lone surrogates survive
    return pa.field(name, pa.string(), metadata={_FORM: b"json"}), pa.array(texts, pa.string())


def _native(values: list[Any]) -> pa.Array | None:
    """Arrow's array of these values if it gives back the very same ones: 1 not 1.0, no keys added."""
    try:
        array = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, UnicodeError):
        return None
    if "struct<>" in str(array.type):  # Parquet has no struct without fields
        return None
    same = json.dumps(array.to_pylist(), default=str) == json.dumps(values, default=str)
    return array if same else None
