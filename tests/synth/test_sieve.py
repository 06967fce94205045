"""Files through filters: what is held in memory does not grow with the file."""

import subprocess
import sys

import pytest

from truenorth.base import UserError
from truenorth.records.batches import read_batches, write_batches
from truenorth.records.tables import read_rows
from truenorth.synth.sieve import all_of, columns_of, select_unlike, sieve, text_of

MEASURED = """
import resource, sys
from pathlib import Path
from truenorth.records.batches import write_batches
from truenorth.synth.sieve import change, sieve

def rows(count):
    for at in range(0, count, 125):
        yield [{"prompt": f"{i} " + "some words of a row that is long " * 120, "n": i} for i in range(at, at + 125)]

def work(count, suffix):
    folder = Path(sys.argv[1])
    write_batches(folder / f"in{suffix}", rows(count))
    even = lambda texts: ("" if i % 2 else "even" for i, _ in enumerate(texts))
    done = sieve(folder / f"in{suffix}", folder / f"out{suffix}", even, columns=["prompt"])
    assert done[:3] == (count, count // 2, {"even": count // 2}), done
    assert change(folder / f"in{suffix}", folder / f"out{suffix}", str.upper) == (count, count)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

first = [work(5_000, suffix) for suffix in (".jsonl", ".parquet")]
print(work(15_000, ".jsonl") - first[1], work(15_000, ".parquet") - first[1])
"""


def test_three_times_the_rows_need_the_same_memory(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert max(map(float, done.stdout.split())) < 15  # MiB; the file has 40 MB more


def test_texts_come_from_chats_lists_and_several_columns():
    row = {
        "prompt": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
        "n": 7,
        "t": None,
        "l": ["x"],
    }
    assert text_of(row, ["prompt"]) == "a\nb"
    assert text_of(row, ["t", "n", "l", "missing"]) == "7\nx"


def test_the_first_known_column_is_read(tmp_path):
    path = tmp_path / "t.jsonl"
    write_batches(path, [[{"n": 1, "text": "x", "messages": []}]])
    assert columns_of(path) == ["messages"]
    assert columns_of(path, ["n"]) == ["n"]
    write_batches(path, [[{"n": 1}]])
    with pytest.raises(UserError, match="no column named prompt, messages"):
        columns_of(path)


def test_the_first_reason_of_several_counts_and_every_decider_sees_every_text():
    seen = []

    def has(letter):
        def decide(texts):
            for text in texts:
                seen.append((letter, text))
                yield letter if letter in text else ""

        return decide

    assert list(all_of([has("a"), has("b")])(iter(["xa", "b", "ab", "x"]))) == ["a", "b", "a", ""]
    assert len(seen) == 8


def test_kept_and_dropped_rows_together_are_all_rows(tmp_path):
    rows = [{"prompt": f"text {i % 7}", "n": i} for i in range(100)]
    write_batches(tmp_path / "in.parquet", [rows])
    decide = select_unlike(
        lambda texts: __import__("numpy").eye(7, dtype="float32")[[int(t[-1]) for t in texts]], 5
    )
    done = sieve(
        tmp_path / "in.parquet",
        tmp_path / "out.csv",
        decide,
        columns=["prompt"],
        dropped=tmp_path / "gone.jsonl",
    )
    assert (done.rows, done.kept) == (100, 5)
    kept = [int(row["n"]) for batch in read_batches(tmp_path / "out.csv") for row in batch]
    gone = [row["n"] for row in read_rows(tmp_path / "gone.jsonl")]
    assert sorted(kept + gone) == list(range(100))
    assert kept == [0, 1, 2, 3, 4]
    [reason] = done.dropped
    assert done.examples[reason] == (5, "text 5")
