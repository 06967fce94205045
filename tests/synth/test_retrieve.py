"""BM25 by the formula, in several languages."""

from math import log

import pytest

from truenorth.base import UserError
from truenorth.synth.retrieve import Index, terms

TEXTS = ["red boat", "blue boat boat", "grey gull"]


def test_scores_are_those_of_the_formula():
    # N = 3, lengths 2, 3, 2, mean 7/3; boat is in 2 texts: idf = ln(1 + 1.5 / 2.5) = ln 1.6
    k1, b, mean = 1.2, 0.75, 7 / 3

    def bm25(n, f, length):
        return log(1 + (3 - n + 0.5) / (n + 0.5)) * f * (k1 + 1) / (f + k1 * (1 - b + b * length / mean))

    scores = Index.of(TEXTS).scores("Boats, red ones")
    assert scores == pytest.approx([bm25(2, 1, 2) + bm25(1, 1, 2), bm25(2, 2, 3), 0.0])


def test_the_best_come_first_and_texts_without_a_shared_word_do_not_come():
    index = Index.of(TEXTS)
    assert [i for i, _ in index.search("a red boat", 3)] == [0, 1]
    assert index.search("harbour", 3) == []
    assert [i for i, _ in index.nearest(["gull"], 3)[0]] == [2, 0, 1]
    assert Index.of(["", "?"]).search("boat", 1) == []
    with pytest.raises(UserError, match="no texts"):
        Index.of([])


def test_an_irrelevant_text_does_not_change_the_best():
    assert Index.of([*TEXTS, "nets and ropes"]).search("red boat", 1)[0][0] == 0


def test_three_languages_are_found_in_one_corpus():
    corpus = [
        "The ferry leaves at noon.",
        "Die Fähre fährt um zwölf Uhr ab.",
        "フェリーは正午に出港します。",
        "Fish is sold here.",
    ]
    index = Index.of(corpus)
    assert index.search("When does the ferry leave?", 1)[0][0] == 0
    assert index.search("Wann fährt die FÄHRE?", 1)[0][0] == 1
    assert index.search("正午のフェリー", 1)[0][0] == 2


def test_scripts_without_spaces_are_taken_by_two_letters():
    assert terms("A漁港b") == ["a", "漁港", "b"]
    assert terms("港") == ["港"]
