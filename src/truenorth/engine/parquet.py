"""Rows to Parquet bytes and back, exactly: whatever JSON can say comes back as it was (`records.columns`)."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from truenorth.base import UserError
from truenorth.records import Row, Source
from truenorth.records.columns import from_table, to_table

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


def to_parquet(rows: Sequence[Row]) -> bytes:
    """Rows as a Parquet file: `id`, the columns of their data, `source`. Equal rows give equal bytes.

    Raises:
        UserError: a row's data has a column named `id` or `source`.
    """
    table = to_table([row.data for row in rows])
    for name in RESERVED:
        if name in table.column_names:
            raise UserError(f"the column name {name!r} is reserved", where="rows", fix="rename the column")
    ids = pa.array([row.id for row in rows], pa.string())
    sources = pa.array([row.source.to_dict() for row in rows], SOURCE)
    schema = pa.schema([pa.field("id", pa.string()), *table.schema, pa.field("source", SOURCE)])
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.Table.from_arrays([ids, *table.columns, sources], schema=schema), sink, compression="zstd"
    )
    return sink.getvalue().to_pybytes()


def from_parquet(data: bytes) -> list[Row]:
    """The rows of `to_parquet`, exactly as they went in."""
    table = pq.read_table(pa.BufferReader(data))
    ids, sources = table["id"].to_pylist(), table["source"].to_pylist()
    names = [name for name in table.column_names if name not in RESERVED]
    contents = from_table(table.select(names)) if names else [{} for _ in ids]
    return [Row(content, Source.from_dict(s), id=i) for i, content, s in zip(ids, contents, sources)]
