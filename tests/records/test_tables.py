"""Tables: written and read back equal, in every form people have, and each fault in one message."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from truenorth.base import UserError
from truenorth.records import Row, Source
from truenorth.records.columns import from_table, to_table
from truenorth.records.tables import read_rows, write_table

ROWS = [
    {"prompt": "Hi?", "completion": "Hello.", "label": True},
    {"prompt": "Grüße, 漁港\n", "completion": "", "label": False},
]

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)
tables = st.lists(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), values, max_size=3), min_size=1, max_size=4
)


def exactly(value):
    """Values as JSON tells them apart: 1 is not 1.0, and null is not "no such key"."""
    return json.dumps(value, sort_keys=True)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables)
def test_whatever_json_can_say_comes_back_the_same(rows):
    assume(any(rows))
    sink = pa.BufferOutputStream()
    pq.write_table(to_table(rows), sink)
    back = from_table(pq.read_table(pa.BufferReader(sink.getvalue())))
    assert exactly(back) == exactly(rows)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".json", ".ndjson"])
def test_what_is_written_is_read_back(tmp_path, suffix):
    path = write_table(tmp_path / f"rows{suffix}", ROWS)
    assert read_rows(path) == ROWS
    assert list(tmp_path.iterdir()) == [path]


def test_rows_with_their_source_are_written_whole(tmp_path):
    row = Row({"prompt": "Hi?"}, Source("demo", seed=3, parents=("p1",)))
    (back,) = read_rows(write_table(tmp_path / "rows.parquet", [row]))
    assert back["id"] == row.id
    assert Source.from_dict(back["source"]) == row.source


def test_plain_columns_are_plain_in_parquet(tmp_path):
    chat = [{"role": "user", "content": "Hi?"}]
    path = write_table(
        tmp_path / "rows.parquet", [{"prompt": chat, "score": 0.5}, {"prompt": chat, "score": 1.0}]
    )
    schema = pq.read_schema(path)
    assert schema.field("score").type == pa.float64()
    assert schema.field("prompt").type == pa.list_(
        pa.struct([("role", pa.string()), ("content", pa.string())])
    )


def test_a_run_reads_written_tables_and_tables_read_a_run():
    from truenorth.engine.parquet import from_parquet, to_parquet

    rows = [
        Row({"a": {"x": 1}}, Source("s")),
        Row({"a": {}, "b": None}, Source("s")),
        Row({"b": 2}, Source("s")),
    ]
    back = from_table(pq.read_table(pa.BufferReader(to_parquet(rows))))
    assert [{k: v for k, v in row.items() if k not in ("id", "source")} for row in back] == [
        r.data for r in rows
    ]
    sink = pa.BufferOutputStream()
    pq.write_table(to_table([row.to_dict() for row in rows]), sink)
    assert from_parquet(sink.getvalue().to_pybytes()) == rows


def test_datasets_reads_what_is_written_and_we_read_what_it_saves(tmp_path):
    import datasets

    path = write_table(tmp_path / "rows.parquet", ROWS)
    theirs = datasets.Dataset.from_parquet(str(path), cache_dir=str(tmp_path / "cache"))
    assert theirs.to_list() == ROWS
    theirs.save_to_disk(str(tmp_path / "saved"))
    assert read_rows(tmp_path / "saved") == ROWS
    (arrow,) = (tmp_path / "saved").glob("*.arrow")
    assert read_rows(arrow) == ROWS
    both = datasets.DatasetDict({"train": theirs, "test": theirs.select([0])})
    both.save_to_disk(str(tmp_path / "splits"))
    assert read_rows(tmp_path / "splits", split="test") == ROWS[:1]
    with pytest.raises(UserError, match=r"no split 'dev'.*train, test"):
        read_rows(tmp_path / "splits", split="dev")


def test_folders_as_the_hub_lays_them_out(tmp_path):
    for i, row in enumerate(ROWS):
        write_table(tmp_path / "data" / f"train-0000{i}-of-00002.parquet", [row])
    write_table(tmp_path / "data" / "test-00000-of-00001.parquet", ROWS[:1])
    (tmp_path / "README.md").write_text("about")
    assert read_rows(tmp_path) == ROWS
    assert read_rows(tmp_path, split="test") == ROWS[:1]


def test_arrow_files_and_csv(tmp_path):
    table = pa.Table.from_pylist(ROWS)
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    assert read_rows(tmp_path / "a.arrow") == ROWS
    (tmp_path / "a.csv").write_text('\ufeffprompt,score\n"a, b\nc",1\n')
    assert read_rows(tmp_path / "a.csv") == [{"prompt": "a, b\nc", "score": "1"}]
    (tmp_path / "a.tsv").write_text("prompt\tscore\nx\t1\n")
    assert read_rows(tmp_path / "a.tsv") == [{"prompt": "x", "score": "1"}]


def test_columns_are_chosen_and_renamed(tmp_path):
    path = write_table(tmp_path / "rows.jsonl", ROWS)
    assert read_rows(path, columns=["label"]) == [{"label": True}, {"label": False}]
    assert read_rows(path, columns={"text": "prompt"})[0] == {"text": "Hi?"}
    with pytest.raises(
        UserError, match=r"no column 'promt'.*one of prompt, completion, label.*did you mean prompt"
    ):
        read_rows(path, columns=["promt"])


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("empty.jsonl", b"", "the file is empty"),
        ("blank.jsonl", b"\n\n", "no rows"),
        ("empty.json", b"[]", "no rows"),
        ("half.jsonl", b'{"a": 1}\n{"a":', "line 2: not JSON"),
        ("list.jsonl", b"[1]\n", "line 1: not an object"),
        ("object.json", b'{"a": 1}', "not a list of objects"),
        ("half.json", b'[{"a": 1},\n{', "line 2: not JSON"),
        ("bytes.jsonl", b"\xff\xfe", "not UTF-8 text"),
        ("cut.parquet", b"PAR1garbage", "not readable"),
        ("cut.arrow", b"ARROW1garbage", "not readable"),
        ("ragged.csv", b"a,b\n1,2,3\n", "line 2: more or fewer values than columns"),
        ("ragged2.csv", b"a,b\n1\n", "line 2: more or fewer values than columns"),
        ("quote.csv", b'a,b\n"1,2\n', "cannot read"),
        ("data.xlsx", b"x", "unknown kind of file '.xlsx'"),
    ],
)
def test_broken_files_are_one_clear_message(tmp_path, name, content, expected):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=expected) as caught:
        read_rows(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_names_its_neighbour(tmp_path):
    write_table(tmp_path / "prompts.jsonl", ROWS)
    with pytest.raises(UserError, match=r"no such file; did you mean .*/prompts.jsonl"):
        read_rows(tmp_path / "promts.jsonl")
    with pytest.raises(UserError, match="there is no folder"):
        read_rows(tmp_path / "nowhere" / "x.jsonl")
    (tmp_path / "bare").mkdir()
    with pytest.raises(UserError, match="no tables in this folder"):
        read_rows(tmp_path / "bare")


def test_a_hub_id_that_cannot_be_fetched_is_one_clear_message():
    with pytest.raises(UserError, match="not found on the hub"):
        read_rows("no-such-owner/no-such-dataset")


def test_a_damaged_saved_folder_is_one_clear_message(tmp_path):
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(UserError, match="not readable by datasets"):
        read_rows(tmp_path)


def test_an_unknown_suffix_is_refused_before_writing(tmp_path):
    with pytest.raises(UserError, match=r"cannot write .xlsx"):
        write_table(tmp_path / "a.xlsx", ROWS)
    assert list(tmp_path.iterdir()) == []


def test_rows_without_columns_are_refused_where_they_would_be_lost(tmp_path):
    with pytest.raises(UserError, match="rows without columns"):
        write_table(tmp_path / "a.parquet", [{}, {}])
    assert read_rows(write_table(tmp_path / "a.jsonl", [{}, {}])) == [{}, {}]


def test_not_a_number_survives(tmp_path):
    (row,) = read_rows(write_table(tmp_path / "a.parquet", [{"x": float("nan")}]))
    assert math.isnan(row["x"])


def test_public_data_is_read(shared: Path):
    found = [p for s in ("parquet", "jsonl") for p in sorted((shared / "data").rglob(f"*.{s}"))[:2]]
    assert all(read_rows(path) for path in found)
