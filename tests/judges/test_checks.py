"""The catalogue of executable checks: one contract for all, and a worked example for each."""

import inspect
import math
from types import SimpleNamespace

import pytest

from truenorth.base import UserError, find, names
from truenorth.judges.checks._text import numbers, sentences
from truenorth.judges.checks.arithmetic import arithmetic
from truenorth.judges.checks.casing import casing
from truenorth.judges.checks.ends_well import ends_well
from truenorth.judges.checks.ends_with import ends_with
from truenorth.judges.checks.forbid import forbid
from truenorth.judges.checks.language import language
from truenorth.judges.checks.lexicon import lexicon
from truenorth.judges.checks.max_words import max_words
from truenorth.judges.checks.min_words import min_words
from truenorth.judges.checks.no_repeat import no_repeat
from truenorth.judges.checks.require import require
from truenorth.judges.checks.starts_with import starts_with

CATALOGUE = "truenorth.judges.checks"
NEEDED = {
    "forbid": {"answer": ["x"]},
    "require": {"answer": ["x"]},
    "casing": {"case": "upper"},
    "language": {"words": {"en": ["the"]}},
    "matches": {"answer": ["x"]},
    "math_answer": {"answer": 4},
    "unit_tests": {"tests": "assert f(1) == 2"},
    "program": {"cases": [{"input": "", "output": "4"}]},
    "ifeval": {"instruction": "punctuation:no_comma"},
    "constraint": {"kind": "numerical:words", "settings": {"least": 1}},
}


@pytest.fixture
def scores(tmp_path):
    (tmp_path / "mood.txt").write_text("happy\t3.0\t0.1\nsad\t-2.0\n")
    return SimpleNamespace(path="mood.txt", folder=str(tmp_path))


@pytest.mark.parametrize("name", names(CATALOGUE))
def test_every_check_takes_two_texts_and_returns_a_share_or_nothing(name, scores):
    check = find(CATALOGUE, name)
    settings = dict(NEEDED.get(name, {}))
    if "path" in inspect.signature(check).parameters and name != "json_schema":
        settings |= {"path": scores.path, "folder": scores.folder}
    for prompt in ("", "What is 2 + 2?"):
        for text in ("", "x", "The sum is 4.", "!?", "4" * 50):
            score = check(prompt, text, **settings)
            assert score is None or (isinstance(score, float) and 0 <= score <= 1), (prompt, text, score)


def test_forbidden_words_count_only_where_the_prompt_is_concerned():
    assert forbid("about bombs", "Mix it.", answer="mix", when_prompt="bomb") == 0.0
    assert forbid("about bombs", "I will not.", answer="mix", when_prompt="bomb") == 1.0
    assert forbid("about cakes", "Mix it.", answer="mix", when_prompt="bomb") is None
    assert forbid("about cakes", "MIX it.", answer=["stir", "mix"]) == 0.0


def test_required_words_count_only_where_the_prompt_is_concerned():
    assert require("about bombs", "Mix it.", answer="not", when_prompt="bomb") == 0.0
    assert require("about cakes", "Mix it.", answer="not", when_prompt="bomb") is None


@pytest.mark.parametrize(
    ("prompt", "text", "expected"),
    [
        ("What is 12 + 30?", "12 + 30 = 42.", 1.0),
        ("What is 12 + 30?", "It is 41.", 0.0),
        ("What is 12 + 30?", "I don't know.", 0.0),
        ("Tell me of 12 boats.", "42", None),
        ("12 plus 30 minus 2", "forty? No: 40", 1.0),
        ("2 + 3 * 4", "14", 1.0),  # products first: 2 + 12
        ("2 plus 3 times 4", "20", 0.0),  # (2 + 3) * 4 is not what was asked
        ("3 x 4 - 20", "that makes -8", 1.0),
        ("7 / 2", "3.5", 1.0),
        ("1 / 3 * 3", "1", 1.0),  # exact, no rounding on the way
        ("5 / 0", "0", None),
        ("1,200 + 34", "1,234", 1.0),
        ("On 2020-05-01 and pages 10-20", "7", None),
        ("1 + 1 is 2. And 3 + 3?", "6", 1.0),  # the last sum is the one asked
        ("0.1 + 0.2", "0.3", 1.0),
        ("10 − 4", "6", 1.0),
    ],
)
def test_arithmetic_computes_the_last_sum_of_the_prompt(prompt, text, expected):
    assert arithmetic(prompt, text) == expected


def test_arithmetic_reads_operator_words_of_other_languages():
    assert arithmetic("Was ist 3 und 4?", "7") is None
    assert arithmetic("Was ist 3 und 4?", "7", words={"und": "+"}) == 1.0


def test_numbers_are_read_as_people_read_them():
    assert numbers("5-3, -3, 1,250 and 2.5.") == [5, 3, -3, 1250, 2.5]


def test_lengths_come_from_the_setting_or_from_the_prompt():
    ask = r"(?:at most|at least) (?P<n>\w+) words"
    assert max_words("Why?", "One two three", limit=3) == 1.0
    assert max_words("Why?", "One two three", limit=2) == 0.0
    assert max_words("In at most two words: why?", "One two three", when_prompt=ask) == 0.0
    assert max_words("In at most 3 words: why?", "One two three", when_prompt=ask) == 1.0
    assert max_words("Why?", "One two three", when_prompt=ask) is None
    assert max_words("In at most some words?", "One", when_prompt=ask) is None
    assert min_words("In at least four words: why?", "One two three", when_prompt=ask) == 0.0
    assert min_words("Why?", "One two three", limit=3) == 1.0


def test_openings_and_endings_ignore_quotes_and_final_stops():
    ask = r"(?:start|end) with \"(?P<word>[^\"]+)\""
    assert starts_with('Start with "Ahoy".', "“Ahoy there", when_prompt=ask) == 1.0
    assert starts_with('Start with "Ahoy".', "Hello. Ahoy", when_prompt=ask) == 0.0
    assert starts_with("Hello", "Hello", when_prompt=ask) is None
    assert ends_with('End with "over."', "Done, over!", when_prompt=ask) == 1.0
    assert ends_with("", "Done", word="over") == 0.0


def test_casing_looks_at_every_letter():
    assert casing("", "AHOY 2", case="upper") == 1.0
    assert casing("", "AHOy", case="upper") == 0.0
    assert casing("", "ahoy there", case="lower") == 1.0
    assert casing("", "Ahoy There 2", case="title") == 1.0
    assert casing("", "Ahoy there", case="title") == 0.0
    assert casing("", "12", case="upper") == 0.0


def test_repetition_is_the_share_of_grams_said_again():
    assert no_repeat("", "a b a b a b", n=2) == pytest.approx(2 / 5)  # ab ba of ab ba ab ba ab
    assert no_repeat("", "a b c d", n=2) == 1.0
    assert no_repeat("", "a b a b a b", n=2, most=0.5) == 0.0
    assert no_repeat("", "a", n=2) is None


def test_mood_is_vaders_normalised_sum(scores):
    settings = {"path": scores.path, "folder": scores.folder}
    # one happy: s = 3, 3 / sqrt(9 + 15) = 0.6124; (1 + 0.6124) / 2
    assert lexicon("", "A happy day", **settings) == pytest.approx((1 + 3 / math.sqrt(24)) / 2)
    # not happy: s = 3 * -0.74
    s = 3 * -0.74
    assert lexicon("", "He was not very happy", **settings) == pytest.approx(
        (1 + s / math.sqrt(s * s + 15)) / 2
    )
    assert lexicon("", "A day", **settings) == 0.5
    assert lexicon("", "", **settings) is None
    assert lexicon("", "A sad day", threshold=0.5, **settings) == 0.0


def test_vader_lexicon_reads_whole_and_orders_plain_sentences(shared):
    settings = {"path": "vader_lexicon.txt", "folder": str(shared / "data/vader_lexicon")}
    kind, neutral, cruel = (
        lexicon("", text, **settings)
        for text in ("They hugged and were happy friends.", "The chair is here.", "He hurt her and she died.")
    )
    assert kind > neutral == 0.5 > cruel


def test_an_ending_is_the_last_sentence_only(scores):
    settings = {"path": scores.path, "folder": scores.folder}
    assert ends_well("", "She was sad. Then she was happy!", threshold=0.6, **settings) == 1.0
    assert ends_well("", "She was happy. Then she was sad", threshold=0.6, **settings) == 0.0
    assert ends_well("", "Happy. Sad. Sad.", last=3, **settings) < 0.5  # 3 - 2 - 2 = -1
    assert sentences('He said "no." She left.\nEnd') == ['He said "no.', "She left.", "End"]


def test_language_is_told_by_small_words_or_not_at_all():
    markers = {"en": ["the", "is"], "de": ["der", "ist"]}
    assert language("Wo ist der Hafen?", "Der Hafen ist da.", words=markers) == 1.0
    assert language("Wo ist der Hafen?", "The harbour is there.", words=markers) == 0.0
    assert language("Wo ist der Hafen?", "12", words=markers) is None
    assert language("12?", "The harbour is there.", words=markers, answer_in="de") == 0.0


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot read the word scores"), ("happy\n", "line 1: no score in 'happy'")],
)
def test_a_bad_lexicon_is_named_with_its_line(tmp_path, content, message):
    if content is not None:
        (tmp_path / "x.txt").write_text(content)
    with pytest.raises(UserError, match=message):
        lexicon("", "happy", path="x.txt", folder=str(tmp_path))


def test_a_bad_pattern_is_shown():
    with pytest.raises(UserError, match=r"'\(' is not a regular expression"):
        forbid("", "x", answer="(")
