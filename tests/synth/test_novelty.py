"""ROUGE-L as its definition says, and what counts as a new prompt."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truenorth.base import UserError
from truenorth.records import Row, Source
from truenorth.synth.novelty import malformed, novel, well_formed
from truenorth.synth.rouge import Pool, common, rouge_l

WORDS = st.lists(st.sampled_from("a b c d".split()), max_size=9)


def rows(*texts):
    return [Row({"prompt": text, "n": i}, Source("human")) for i, text in enumerate(texts)]


def longest(a, b):
    """The table of the definition (Cormen et al., 15.4), cell by cell."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a, start=1):
        for j, y in enumerate(b, start=1):
            table[i][j] = table[i - 1][j - 1] + 1 if x == y else max(table[i - 1][j], table[i][j - 1])
    return table[-1][-1]


def as_rouge_score(target, prediction):
    """rouge_score 0.1.2, rougeL without stemming: its tokenizer, then P, R and F from the table."""
    said, wanted = (re.findall("[a-z0-9]+", text.lower()) for text in (prediction, target))
    if not said or not wanted:
        return (0.0, 0.0, 0.0)
    shared = longest(wanted, said)
    p, r = shared / len(said), shared / len(wanted)
    return (p, r, 2 * p * r / (p + r) if p + r > 0 else 0.0)


@given(WORDS, WORDS)
def test_the_longest_common_subsequence_is_that_of_the_table(a, b):
    assert common(a, b) == longest(a, b)


TEXTS = [
    "Write a poem about the sea.",
    "write a POEM about a sea-gull!",
    "Don't write about under_scores",
    "What is 12 + 30?",
    "",
    "?!",
]


@pytest.mark.parametrize("target", TEXTS)
@pytest.mark.parametrize("prediction", TEXTS)
def test_rouge_l_is_what_the_rouge_score_library_defines(target, prediction):
    assert rouge_l(target, prediction) == pytest.approx(as_rouge_score(target, prediction), abs=1e-15)


def test_rouge_l_of_a_worked_example():
    # police killed the gunman / the gunman police killed: "the gunman" in common, 2 of 4 words (Lin 2004, 3.1)
    assert rouge_l("police killed the gunman", "the gunman police killed") == (0.5, 0.5, 0.5)
    assert rouge_l("police killed the gunman", "police kill the gunman").f == 0.75


def test_other_scripts_have_words_too():
    assert rouge_l("漁港 はどこ ですか", "漁港 はどこ").recall == pytest.approx(2 / 3)
    assert rouge_l("Где порт", "Где маяк").f == 0.5


@settings(max_examples=60)
@given(st.lists(WORDS, max_size=8), WORDS, st.sampled_from([0.0, 0.5, 0.7]))
def test_the_pool_finds_what_comparing_with_all_finds(texts, new, above):
    pool = Pool(" ".join(t) for t in texts)
    best = max((rouge_l(" ".join(t), " ".join(new)).f for t in texts), default=0.0)
    assert pool.highest(" ".join(new), above=above) == (best if best > above else 0.0)


def test_an_exact_copy_is_never_new_and_disjoint_words_always_are():
    result = novel(rows("Who is Ann?", "who is ann", "Where does Tom live?"), near=0.99)
    assert [r.data["prompt"] for r in result.kept] == ["Who is Ann?", "Where does Tom live?"]
    assert result.dropped == {"seen": 1}
    assert novel(rows("one two"), rows("three four"), near=0.0).dropped == {}


def test_the_threshold_is_strict_and_looks_back_at_what_was_kept():
    # 7 of 10 words shared: F is exactly 0.7, and 0.7 is not above 0.7
    one, other = "a b c d e f g h i j", "a b c d e f g x y z"
    assert rouge_l(one, other).f == pytest.approx(0.7)
    assert len(novel(rows(one, other), near=0.7).kept) == 2
    assert novel(rows(one, other), near=0.69).dropped == {"seen": 1}
    assert novel(rows(other), rows(one), near=0.69).dropped == {"seen": 1}
    with pytest.raises(UserError, match=r"near 7"):
        novel(rows("a"), near=7)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("  ", "blank"),
        ("Name three boats", "short"),  # three words or fewer, as published
        ("Name three old boats", ""),
        ("word " * 150, ""),
        ("word " * 151, "long"),
        ("- list all the boats", "begins oddly"),
        ("¿Dónde está el puerto viejo?", ""),
        ("Draw a picture of a boat", "banned word"),
        ("Explain photography to a child", ""),  # "graph" inside a word is no graph
    ],
)
def test_prompts_are_sorted_out_by_form(text, wrong):
    assert malformed(text) == wrong
    assert well_formed(rows(text)).dropped == ({wrong: 1} if wrong else {})
