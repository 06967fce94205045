"""Duplicates and held-out words: found, counted, and nothing else touched."""

import pytest

from truenorth.base import UserError
from truenorth.records import Row, Source
from truenorth.synth import decontaminate, dedupe, funnel, heldout_lines, load_heldout
from truenorth.synth.decontaminate import ngram_hashes


def rows(*texts):
    return [Row({"prompt": t, "n": i}, Source("human")) for i, t in enumerate(texts)]


def kept(result):
    return [row.data["prompt"] for row in result.kept]


LONG = "please tell me in which year the old lighthouse at the end of the long pier was built by the town"


def test_exact_duplicates_ignore_case_punctuation_and_spaces():
    result = dedupe(rows("Who is Ann?", "who  is ANN", "Who is Tom?", "  ", "?"), near=2)
    assert (kept(result), result.dropped) == (["Who is Ann?", "Who is Tom?"], {"empty": 2, "exact": 1})


def test_near_duplicates_go_and_other_questions_stay():
    near = LONG.replace("built by the town", "built by the city")  # 18 of 20 word pairs: similarity 0.9
    result = dedupe(rows(LONG, near, "Where does Ann live?", "Where does Tom live?"))
    assert kept(result) == [LONG, "Where does Ann live?", "Where does Tom live?"]
    assert result.dropped == {"near": 1}


def test_a_chain_of_near_duplicates_is_measured_against_what_was_kept():
    words = LONG.split()
    chain = [" ".join(words[i:] + [f"w{k}" for k in range(i)]) for i in range(0, 12, 1)]
    survivors = kept(dedupe(rows(*chain), near=0.7))
    assert survivors[0] == chain[0]
    assert 2 <= len(survivors) < len(chain)


def test_the_first_of_many_is_the_one_kept_and_empty_input_is_fine():
    assert [r.data["n"] for r in dedupe(rows("a b", "c d", "a b")).kept] == [0, 1]
    assert dedupe([]) == ([], {})
    with pytest.raises(UserError, match="near 0"):
        dedupe([], near=0)


def test_held_out_runs_are_found_in_any_dress(tmp_path):
    path = tmp_path / "held_out.txt"
    lines = list(heldout_lines(["Ann Grey", "12 + 7", "do you happen to know", "", "..."]))
    path.write_text("# made by a world\n\n" + "\n".join(lines) + "\n")
    assert len(lines) == 3
    heldout = load_heldout(path)
    texts = [
        "Where does ann GREY live?",
        "Ann Grey’s boat",
        "What is 12+7?",
        "What is 112 + 7?",
        "Ann met Grey.",
        "Do you happen to know Tom?",
        "Do you know Tom?",
    ]
    result = decontaminate(rows(*texts), heldout)
    assert kept(result) == ["What is 112 + 7?", "Ann met Grey.", "Do you know Tom?"]
    assert result.dropped == {"held out": 4}
    assert "ann" not in path.read_text().lower().replace("# made by a world", "")


def test_long_phrases_are_found_by_their_runs_of_six():
    heldout = frozenset(heldout_lines(["one two three four five six seven"]))
    assert len(heldout) == 2
    assert kept(decontaminate(rows("two three four five six seven", "one two three four five"), heldout)) == [
        "one two three four five"
    ]


def test_hashes_are_those_of_blake2b():
    import hashlib

    assert ngram_hashes("Ann's", (1, 1)) == {hashlib.blake2b(b"ann", digest_size=8).hexdigest()}
    assert len(ngram_hashes("a b c")) == 6  # 3 + 2 + 1
    assert ngram_hashes("") == set()


def test_a_bad_list_is_named_with_its_line(tmp_path):
    with pytest.raises(UserError, match="cannot read the held-out list"):
        load_heldout(tmp_path / "none.txt")
    (tmp_path / "bad.txt").write_text("0123456789abcdef\nAnn Grey\n")
    with pytest.raises(UserError, match=r"line 2: 'Ann Grey' is not a hash"):
        load_heldout(tmp_path / "bad.txt")


def test_a_funnel_says_where_rows_went():
    first = dedupe(rows("a", "a", "b"))
    second = decontaminate(first.kept, frozenset(heldout_lines(["b"])))
    assert funnel(("dedupe", first), ("held out", second)) == [
        {"stage": "dedupe", "in": 3, "kept": 2, "exact": 1},
        {"stage": "held out", "in": 2, "kept": 1, "held out": 1},
    ]
