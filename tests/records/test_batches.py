"""Rows in batches: the same rows come back, whatever the file, whichever batch a column first shows up in."""

import errno
import json

import pyarrow.parquet as pq
import pytest

from truenorth.base import UserError, read_jsonl
from truenorth.records.batches import read_batches, replacing, write_batches
from truenorth.records.tables import read_rows, write_table

CHAT = [{"role": "user", "content": "Who?"}]
BATCHES = [
    [{"a": 1, "b": None, "c": "x", "prompt": CHAT}, {"a": 2, "b": None, "c": "y", "prompt": CHAT}],
    [{"a": 3.5, "b": "late", "prompt": CHAT}],  # a: a float among whole numbers; b: text after nothing; no c
    [{"a": 4, "b": None, "c": None, "prompt": [{**CHAT[0], "name": "Ann"}], "new": [1, 2]}],
]
ROWS = [row for batch in BATCHES for row in batch]


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_rows_come_back_as_they_were(tmp_path, suffix):
    path = tmp_path / f"rows{suffix}"
    assert write_batches(path, BATCHES) == 4
    assert read_rows(path) == ROWS
    assert json.dumps(read_rows(path)) == json.dumps(ROWS)  # 1 is not 1.0, and no key was added
    for size in (1, 3, 100):
        read = list(read_batches(path, size=size))
        assert [row for batch in read for row in batch] == ROWS
        assert max(len(batch) for batch in read) == min(
            size, 2 if suffix == ".parquet" else 4
        )  # or a row group's
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_columns_that_fit_are_native_in_parquet(tmp_path):
    write_batches(tmp_path / "t.parquet", [[{"n": None, "s": "a"}], [], [{"n": 7, "s": "b", "more": True}]])
    types = {f.name: str(f.type) for f in pq.read_schema(tmp_path / "t.parquet")}
    assert types == {"n": "int64", "s": "string", "more": "bool"}
    assert read_rows(tmp_path / "t.parquet") == [{"n": None, "s": "a"}, {"n": 7, "s": "b", "more": True}]


def test_a_file_of_ours_reads_in_batches_too(tmp_path):
    for name in ("t.parquet", "t.json", "t.jsonl"):
        write_table(tmp_path / name, ROWS)
        assert [row for batch in read_batches(tmp_path / name, size=2) for row in batch] == ROWS


def test_csv_goes_both_ways(tmp_path):
    path = tmp_path / "t.csv"
    write_batches(path, [[{"a": 1, "b": 'x, "y"\nz'}], [{"a": None, "b": [1]}]])
    assert [r for b in read_batches(path, size=1) for r in b] == [
        {"a": "1", "b": 'x, "y"\nz'},
        {"a": "", "b": "[1]"},
    ]
    with pytest.raises(UserError, match="row 1 has columns that the first row has not: c"):
        write_batches(path, [[{"a": 1}, {"a": 2, "c": 3}]])
    assert len(next(read_batches(path))) == 2  # the old file stands


def test_nothing_is_left_behind_by_a_failure(tmp_path):
    def broken():
        yield BATCHES[0]
        raise ValueError("no more")

    for name in ("t.parquet", "t.jsonl"):
        with pytest.raises(ValueError, match="no more"):
            write_batches(tmp_path / name, broken())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_message_and_other_errors_travel(tmp_path):
    with pytest.raises(UserError, match="cannot write"), replacing(tmp_path / "t"):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(ConnectionResetError), replacing(tmp_path / "t"):
        raise ConnectionResetError(errno.ECONNRESET, "reset")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write_batches(tmp_path / "file" / "t.jsonl", BATCHES)
    with pytest.raises(UserError, match=r"cannot write \.xlsx"):
        write_batches(tmp_path / "t.xlsx", BATCHES)


def test_bad_files_are_named(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        next(read_batches(tmp_path / "none.parquet"))
    (tmp_path / "t.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(UserError, match="not readable"):
        next(read_batches(tmp_path / "t.parquet"))
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(UserError, match="line 2"):
        list(read_batches(tmp_path / "t.jsonl"))


def test_a_line_separator_inside_a_text_ends_no_line(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_bytes('{"a": "one\u2028two\x85three"}\r\n\r\n{"a": "four"}'.encode())
    assert [row["a"] for row in read_jsonl(path)] == ["one\u2028two\x85three", "four"]
