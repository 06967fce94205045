"""Tables as other people's machines write them: byte order marks, other line ends, gzip, and what is no text."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from truenorth.base import UserError, json_text, read_jsonl, write_json, write_text
from truenorth.records.batches import read_batches, write_batches
from truenorth.records.tables import read_rows, write_table

JSONL = '{"prompt": "Hi?"}\r\n{"prompt": "Grüße\u2028漁港"}\r\n'
FORMS = {
    "rows.jsonl": JSONL,
    "rows.json": '[{"prompt": "Hi?"},\r\n {"prompt": "Grüße\u2028漁港"}]',
    "rows.csv": 'prompt\r\nHi?\r\n"Grüße\u2028漁港"\r\n',
    "rows.tsv": 'prompt\r\nHi?\r\n"Grüße\u2028漁港"\r\n',
}
WANTED = [{"prompt": "Hi?"}, {"prompt": "Grüße\u2028漁港"}]
HALF = "cut \ud83d here"  # the first half of an emoji: JSON can say it, UTF-8 cannot


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("zipped", [False, True])
def test_marks_line_ends_and_gzip_change_nothing(tmp_path: Path, name: str, mark: bytes, zipped: bool):
    data = mark + FORMS[name].encode()
    path = tmp_path / (name + ".gz" if zipped else name)
    path.write_bytes(gzip.compress(data, mtime=0) if zipped else data)
    assert read_rows(path) == WANTED
    assert [row for batch in read_batches(path) for row in batch] == WANTED
    assert read_rows(path.rename(path.with_name(path.name.upper()))) == WANTED


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "old.jsonl",
            '{"a": "Grüße"}'.encode("latin-1"),
            r"not UTF-8 text \(byte 0xfc at 9\); save it as UTF-8",
        ),
        ("old.csv", "a\nGrüße\n".encode("latin-1"), "not UTF-8 text"),
        ("old.json", '[{"a": "Grüße"}]'.encode("utf-16"), "not UTF-8 text"),
        ("cut.jsonl.gz", gzip.compress(JSONL.encode() * 99, mtime=0)[:-9], "cannot read"),
        ("not.jsonl.gz", b"hello", "cannot read"),
        ("deep.jsonl", b'{"a": ' + b"[" * 100_000, "line 1: not JSON"),
        ("deep.json", b"[" * 100_000, "not JSON"),
        ("digits.jsonl", b'{"a": ' + b"9" * 5000 + b"}", "line 1: not JSON"),
        ("twice.csv", b"a,b,a\n1,2,3\n", "two columns 'a'"),
        ("bare", b"x", "a file without a suffix"),
    ],
)
def test_what_is_no_table_is_one_message_with_the_way_out(tmp_path: Path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=says) as caught:
        read_rows(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_documents_longer_than_pythons_limit_for_csv_are_read(tmp_path: Path):
    (tmp_path / "long.csv").write_text("text\n" + "x" * 200_000 + "\n")
    assert len(read_rows(tmp_path / "long.csv")[0]["text"]) == 200_000


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".parquet"])
def test_half_a_character_is_written_and_read_back(tmp_path: Path, suffix: str):
    assert read_rows(write_table(tmp_path / f"a{suffix}", [{"a": HALF}])) == [{"a": HALF}]


def test_half_a_character_goes_through_batches_and_reports(tmp_path: Path):
    write_batches(tmp_path / "a.jsonl", [[{"a": HALF}, {"a": "漁港"}]])
    assert [row["a"] for row in read_jsonl(tmp_path / "a.jsonl")] == [HALF, "漁港"]
    assert "漁港" in (tmp_path / "a.jsonl").read_text(encoding="utf-8")  # only what must be is in escapes
    assert json.loads(write_json(tmp_path / "a.json", {"a": HALF}).read_text(encoding="utf-8")) == {"a": HALF}
    assert write_text(tmp_path / "a.html", HALF).read_text(encoding="utf-8") == "cut \ufffd here"
    assert json_text({"a": "漁"}) == '{"a": "漁"}'
