"""Rows through Parquet: exactly what went in comes out, and other tools read it natively."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truenorth.base import UserError
from truenorth.engine.parquet import from_parquet, to_parquet
from truenorth.records import Row, Source

names = st.text(max_size=6).filter(lambda n: n not in ("id", "source"))
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
values = st.recursive(
    leaves,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=3), v, max_size=3),
    max_leaves=6,
)
sources = st.builds(
    Source,
    producer=st.text(max_size=5),
    seed=st.none() | st.integers(0, 2**63 - 1),
    parents=st.lists(st.text(max_size=4), max_size=2).map(tuple),
)
some_rows = st.lists(st.builds(Row, st.dictionaries(names, values, max_size=3), sources), max_size=4)


@settings(deadline=None, max_examples=150)
@given(some_rows)
def test_rows_come_back_exactly(rows):
    back = from_parquet(to_parquet(rows))
    assert back == rows
    assert json.dumps([r.data for r in back], sort_keys=True) == json.dumps(
        [r.data for r in rows], sort_keys=True
    )
    assert [Row(r.data, r.source).id for r in back] == [r.id for r in rows]


@pytest.mark.parametrize(
    "values",
    [
        [1, 1.0],
        [None, "a"],
        [{}, {"a": 1}],
        [{"a": 1}, {"b": 2}],
        [2**80],
        [True, 1],
        [[], [{}]],
        [None],
        ["", "\x00", "\u2028"],
    ],
)
def test_columns_that_arrow_would_change_come_back_as_they_were(values):
    rows = [Row({"x": value}, Source("me")) for value in values]
    assert json.dumps([r.data for r in from_parquet(to_parquet(rows))]) == json.dumps([r.data for r in rows])


def test_a_key_that_is_missing_and_a_key_that_is_none_stay_apart():
    rows = [Row(data, Source("me")) for data in ({"score": None}, {}, {"score": 0.5})]
    assert [r.data for r in from_parquet(to_parquet(rows))] == [{"score": None}, {}, {"score": 0.5}]


def test_text_with_half_an_emoji_comes_back():
    row = Row({"x": "\ud83d"}, Source("me"), id="given")
    assert from_parquet(to_parquet([row])) == [row]


def test_chats_and_numbers_are_native_columns_for_other_tools():
    chat = [{"role": "user", "content": "hi"}]
    table = pq.read_table(pa.BufferReader(to_parquet([Row({"prompt": chat, "score": 0.5}, Source("me"))])))
    assert table.column_names == ["id", "prompt", "score", "source"]
    assert table["prompt"].to_pylist() == [chat]
    assert table["score"].type == pa.float64()
    assert table["source"].to_pylist()[0]["producer"] == "me"


@pytest.mark.parametrize("name", ["id", "source"])
def test_reserved_column_names_are_refused(name):
    with pytest.raises(UserError, match=f"{name!r} is reserved"):
        to_parquet([Row({name: 1}, Source("me"))])


def test_equal_rows_give_equal_bytes():
    def make() -> list[Row]:
        return [Row({"prompt": f"p{i}", "n": i}, Source("me", seed=i)) for i in range(50)]

    assert to_parquet(make()) == to_parquet(make())
