"""What a reply's faults are, how equal requests are told apart, and how reasons stand in for rows."""

import pytest
from synth_script import Says

from truenorth.models import ScriptedModel
from truenorth.records import Completion, Row, Source
from truenorth.synth.asking import gathered, read, request, say, say_apart
from truenorth.synth.writing import items


@pytest.mark.parametrize(
    ("one", "fault"),
    [
        (Completion(" Yes. "), ""),
        (Completion(" \n"), "blank"),
        (Completion("", finish="error", error="gone"), "error"),
        (Completion("No.", finish="refusal"), "refused"),
        (Completion("Well, it is", finish="length"), "cut off"),
        (Completion("the sea and the sky " * 5), "repeated"),
        (Completion("No, no, no, no."), ""),  # too short to go round in circles
    ],
)
def test_a_reply_has_words_or_a_fault(one, fault):
    assert read(one).fault == fault
    assert read(one).text == one.text.strip()


def test_what_a_reply_begins_with_stands_before_it_but_makes_no_reply():
    assert read(Completion(" of Ann?"), "The code").text == "The code of Ann?"
    assert read(Completion("  "), "The code").fault == "blank"


def test_braces_in_values_stay():
    assert request("{a} and {b}", {"a": "{b}", "b": "{x}"})[0]["content"] == "{b} and {x}"


MODEL = ScriptedModel(lambda prompt, i: f"{prompt}{i}")


def texts(found):
    return [[one.text for one in group] for group in found]


def test_equal_requests_get_draws_of_their_own_and_others_their_first():
    assert texts(say_apart(MODEL, ["a", "b", "a", "a"], 2)) == [
        ["a0", "a1"],
        ["b0", "b1"],
        ["a2", "a3"],
        ["a4", "a5"],
    ]
    assert texts(say(MODEL, ["a", "a"])) == [["a0"], ["a0"]]


def test_groups_do_not_touch_one_another():
    assert texts(say_apart(MODEL, ["a", "a", "a"], groups=[1, 2, 1])) == [["a0"], ["a0"], ["a1"]]
    assert say_apart(MODEL, []) == []


def test_begins_go_with_their_requests():
    model = Says(lambda text, i: str(i))
    assert texts(say_apart(model, ["a", "b", "a"], begins=["x", "y", "x"])) == [["x0"], ["y0"], ["x1"]]


def test_reasons_stand_for_rows_and_a_row_made_twice_stands_once():
    row = Row({"prompt": "q"}, Source("m"))
    assert gathered([row, "blank", row, "blank"]) == ([row], {"blank": 2, "repeated": 1})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1. One\n2) Two\n- Three\n4: Four", ["One", "Two", "Three", "Four"]),
        ("Sure! Here they are:\n  3. Three\n     goes on\n4. Four", ["Three goes on", "Four"]),
        ('1. "Quoted?"', ["Quoted?"]),
        ("1. What is 3.5 plus 1. 5?", ["What is 3.5 plus 1. 5?"]),
    ],
)
def test_lists_are_read_however_they_are_numbered(text, found):
    assert [one.text for one in items(read(Completion(text)), 9)] == found


def test_of_a_list_that_was_cut_off_the_last_item_is_lost():
    found = items(read(Completion("1. One\n2. Tw", finish="length")), 9)
    assert [(one.text, one.fault) for one in found] == [("One", ""), ("Tw", "cut off")]


def test_a_reply_that_is_no_list_counts_once():
    assert [one.fault for one in items(read(Completion("I will not.")), 5)] == ["format"]
    assert [one.fault for one in items(read(Completion("Who?")), 1)] == [""]
    assert [one.fault for one in items(read(Completion("", finish="error")), 5)] == ["error"]
