"""Copies of evaluations and of protected texts, found by word runs in memory and on disk."""

import gzip
import json
import os

import pytest

from truenorth.base import UserError
from truenorth.records import Row, Source
from truenorth.synth.copied import copied, evaluations, in_evaluations
from truenorth.synth.decontaminate import decontaminate
from truenorth.synth.ngram_index import NgramIndex

POEM = " ".join(f"p{i}" for i in range(100))
BOOK = [" ".join(f"b{i}" for i in range(100)), POEM]


def words(first, last, letter="p"):
    return " ".join(f"{letter}{i}" for i in range(first, last))


@pytest.fixture(params=["memory", "disk"])
def index(request, tmp_path):
    corpora = {"book": BOOK, "poem": [POEM]}
    if request.param == "memory":
        return NgramIndex.of(corpora)
    return NgramIndex.build(corpora, tmp_path / "index")


def test_hits_on_paper(index):
    texts = [
        words(10, 40),  # 18 runs of 13 words, all of them in both
        "New. "
        + words(10, 30)
        + " x "
        + words(50, 65)
        + " y",  # runs of 20 and of 15 words: 8 + 3 of 1+20+1+15+1-12 = 26
        words(0, 12),  # too short for a run
        words(0, 30, "b").upper(),
        "",
    ]
    hits = index.hits(texts)
    assert hits[0] == (1.0, 30, {"book": 18, "poem": 18})
    assert hits[1].share == pytest.approx(11 / 26)
    assert hits[1][1:] == (20, {"book": 11, "poem": 11})
    assert hits[2] == hits[4] == (0.0, 0, {})
    assert hits[3] == (1.0, 30, {"book": 18})


def test_long_rows_and_large_shares_are_flagged(index):
    filler = " ".join(f"own{i}" for i in range(600))
    texts = [
        filler + " " + words(0, 49),
        filler + " " + words(0, 50),
        words(0, 20) + " " + words(0, 30, "own"),
        filler,
    ]
    # 49 in a row: no; 50: yes; 8 of 38 runs: a fifth; none
    assert list(copied(texts, index)) == ["", "copied from book", "copied from book", ""]
    assert list(copied([words(0, 14)], index, words=14, share=2.0)) == ["copied from book"]
    with pytest.raises(UserError, match="5 words"):
        list(copied(texts, index, words=5))


def test_shuffled_words_are_no_copy(index):
    assert index.hits([" ".join(reversed(POEM.split()))]) == [(0.0, 0, {})]


def test_an_index_on_disk_is_mapped_whole_and_refuses_half_a_folder(tmp_path):
    folder = tmp_path / "index"
    made = NgramIndex.build({"book": iter(BOOK), "empty": []}, folder, sizes=[8, 13])
    assert type(made.hash_R).__name__ == "memmap"
    assert (made.names, made.sizes) == (("book", "empty"), (8, 13))
    assert len(made.hash_R) == 2 * (93 + 88)
    assert (made.hash_R[1:] > made.hash_R[:-1]).all()
    assert sorted(os.listdir(folder)) == ["hashes", "index.json", "names"]
    assert NgramIndex.build({"none": []}, tmp_path / "none").hits([POEM]) == [(0.0, 0, {})]
    (folder / "names").write_bytes(b"12")
    with pytest.raises(UserError, match="362 hashes, 1 names"):
        NgramIndex.open(folder)
    with pytest.raises(UserError, match="no index"):
        NgramIndex.open(tmp_path)
    with pytest.raises(UserError, match=r"runs of \[0\] words"):
        NgramIndex.of({}, sizes=[0])


def test_a_failed_build_leaves_nothing(tmp_path):
    def broken():
        yield POEM
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        NgramIndex.build({"book": broken()}, tmp_path / "index")
    assert os.listdir(tmp_path) == []


def test_an_index_replaces_an_index_and_nothing_else(tmp_path):
    NgramIndex.build({"old": [POEM]}, tmp_path / "index")
    assert NgramIndex.build({"new": [POEM]}, tmp_path / "index").names == ("new",)
    (tmp_path / "index" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match=r"holds other files \(thesis.txt\)"):
        NgramIndex.build({"new": [POEM]}, tmp_path / "index")
    assert (tmp_path / "index" / "thesis.txt").read_text() == "years of work"


def test_evaluations_are_found_by_name_in_any_dress():
    found = evaluations(
        {
            "sums": [
                f"Ann has {i} apples and eats two of them. How many apples are left on the table?"
                for i in range(40)
            ],
            "short": ["Which of these is a fish?", "Yes", *[words(k, k + 20, "s") for k in range(40)]],
        }
    )
    assert found.too_short == {"sums": 0, "short": 1}
    texts = [
        "Solve: ANN has 7 apples, and eats two of them!",
        "Ann has apples.",
        "Tell me, which of these is a fish?",
        "Yes",
        "a word, then " + words(5, 18, "s"),
        words(5, 17, "s"),
        "which of these is a bird",
    ]
    # items of "sums" have 16 words, so runs of 13 are looked for: the first text has but 10 of them
    assert list(in_evaluations(texts, found)) == ["", "", "in short", "", "in short", "", ""]
    longer = "Solve: ANN has 7 apples, and eats two of them! How many apples are left?"
    rows = [Row({"prompt": text}, Source("human")) for text in [longer, *texts]]
    result = decontaminate(rows, found)
    assert result.dropped == {"in short": 2, "in sums": 1}
    assert len(result.kept) == 5
    with pytest.raises(UserError, match="none: an evaluation without items"):
        evaluations({"none": []})


def test_real_evaluations_are_told_from_one_another_and_from_other_prompts(shared):
    def read(path, field):
        with gzip.open(shared / "data" / path, "rt", encoding="utf-8") as file:
            return [json.loads(line)[field] for line in file]

    test, train = read("gsm8k/test.jsonl.gz", "question"), read("gsm8k/train.jsonl.gz", "question")[:2000]
    found = evaluations({"gsm8k": test})
    planted = [f"Question: {text} Answer step by step." for text in test[:200]]
    assert list(in_evaluations(planted, found)) == ["in gsm8k"] * 200
    other = [reason for reason in in_evaluations(train, found) if reason]
    assert len(other) < 0.02 * len(train)  # the published train split repeats a few wordings
