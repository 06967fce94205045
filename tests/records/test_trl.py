"""TRL's dataset types: recognised, checked, converted, as TRL's own functions do where it has them."""

from __future__ import annotations

import pytest

from truenorth.base import UserError
from truenorth.records import Row, Source
from truenorth.records.trl import (
    check_rows,
    explicit_prompt,
    from_trl,
    kind_of,
    prompt_of,
    refuse,
    to_conversational,
    to_standard,
    to_trl,
    unpaired,
)

USER = {"role": "user", "content": "What color is the sky?"}
BLUE, GREEN = ({"role": "assistant", "content": f"It is {c}."} for c in ("blue", "green"))

# The examples of TRL's documentation, "Dataset formats and types".
EXAMPLES = {
    "language_modeling": [{"text": "The sky is blue."}, {"messages": [USER, BLUE]}],
    "prompt_only": [{"prompt": "The sky is"}, {"prompt": [USER]}],
    "prompt_completion": [
        {"prompt": "The sky is", "completion": " blue."},
        {"prompt": [USER], "completion": [BLUE]},
    ],
    "preference": [
        {"prompt": "The sky is", "chosen": " blue.", "rejected": " green."},
        {"chosen": "The sky is blue.", "rejected": "The sky is green."},
        {"prompt": [USER], "chosen": [BLUE], "rejected": [GREEN]},
        {"chosen": [USER, BLUE], "rejected": [USER, GREEN]},
    ],
    "unpaired_preference": [
        {"prompt": "The sky is", "completion": " blue.", "label": True},
        {"prompt": [USER], "completion": [GREEN], "label": False},
    ],
    "stepwise": [
        {
            "prompt": "Which number is larger, 9.8 or 9.11?",
            "completions": ["The fractional part of 9.8 is 0.8.", "0.11 is greater than 0.8."],
            "labels": [True, False],
        }
    ],
}
CASES = [(kind, row) for kind, rows in EXAMPLES.items() for row in rows]


@pytest.mark.parametrize(("kind", "row"), CASES)
def test_the_examples_of_the_documentation_are_recognised_and_sound(kind, row):
    assert kind_of(row) == kind
    assert kind_of([*row, "id", "source"]) == kind
    assert check_rows([row]) == []


@pytest.mark.parametrize(("kind", "row"), CASES)
def test_rows_go_to_ours_and_back(kind, row):
    (ours,) = from_trl([row], source=Source("human:seed", family="people"))
    (back,) = to_trl([ours], kind)
    assert back == (explicit_prompt(row) if kind == "preference" else row)


def test_columns_that_fit_nothing_say_what_would():
    with pytest.raises(
        UserError, match=r"columns question, answer are no dataset type.*prompt \+ completion"
    ):
        kind_of(["question", "answer"])


@pytest.mark.parametrize(
    ("row", "field", "what"),
    [
        ({"prompt": "", "completion": "x"}, "prompt", "empty"),
        ({"prompt": "p", "completion": " \n"}, "completion", "empty"),
        ({"prompt": "p", "completion": None}, "completion", "missing"),
        ({"prompt": "p", "completion": 3}, "completion", "expected text or messages, not int"),
        ({"prompt": "p", "chosen": "a", "rejected": "a"}, "rejected", "the same as chosen"),
        ({"prompt": [USER], "chosen": [BLUE], "rejected": [BLUE]}, "rejected", "the same as chosen"),
        ({"prompt": [USER], "completion": "x"}, "completion", "text and messages mixed"),
        ({"prompt": "p", "completion": "c", "label": 1}, "label", "expected true or false, not 1"),
        (
            {"prompt": "p", "completions": ["a", "b"], "labels": [True]},
            "labels",
            "1 labels for 2 completions",
        ),
        (
            {"prompt": "p", "completions": ["a", ""], "labels": [True, True]},
            "completions",
            "none of them empty",
        ),
        ({"prompt": "p", "completions": ["a"], "labels": ["yes"]}, "labels", "a list of true and false"),
        ({"messages": []}, "messages", "empty"),
        ({"messages": "hi"}, "messages", "expected messages, not str"),
        ({"messages": [{"role": "user"}]}, "messages", "a message is {role, content}"),
        ({"messages": [{"role": "bot", "content": "x"}]}, "messages", "unknown role 'bot'"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages", "without text"),
    ],
)
def test_each_fault_names_its_row_and_field(row, field, what):
    good = next(r for k, rows in EXAMPLES.items() if k == kind_of(row) for r in rows if set(r) == set(row))
    (error,) = check_rows([good, row])
    assert (error.row, error.field) == (1, field)
    assert what in error.what


def test_a_message_that_only_calls_a_tool_is_sound():
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add"}}]}
    assert check_rows([{"messages": [USER, call]}]) == []


def test_a_row_without_the_column_of_the_others_is_missing_it():
    (error,) = check_rows([{"prompt": "p", "completion": "c"}, {"prompt": "p"}])
    assert str(error) == "row 1, completion: missing"
    assert check_rows([]) != []


def test_refusing_shows_a_few_and_counts_the_rest():
    rows = [{"prompt": "p", "completion": ""}] * 8
    with pytest.raises(UserError, match=r"data.jsonl: row 0, completion: empty.*row 4.*and 3 more"):
        refuse(check_rows(rows), where="data.jsonl")
    refuse([], where="data.jsonl")
    with pytest.raises(UserError, match="row 0, completion: empty"):
        from_trl(rows, source=Source("x"))


def test_texts_and_messages_turn_into_each_other():
    plain = {"prompt": "Sky?", "chosen": "Blue.", "rejected": "Green.", "note": "kept"}
    chat = to_conversational(plain)
    assert chat["prompt"] == [{"role": "user", "content": "Sky?"}]
    assert chat["chosen"] == [{"role": "assistant", "content": "Blue."}]
    assert to_standard(chat) == plain
    rows = [Row(dict(plain), Source("x"))]
    assert to_trl(rows, "preference", conversational=True) == [
        {k: chat[k] for k in ("prompt", "chosen", "rejected")}
    ]
    assert to_trl([Row(dict(chat), Source("x"))], "preference", conversational=False) == [
        {k: plain[k] for k in ("prompt", "chosen", "rejected")}
    ]
    with pytest.raises(UserError, match="2 messages cannot become one text"):
        to_standard({"prompt": [USER, BLUE]})


def test_a_row_that_lacks_a_column_cannot_become_that_type():
    with pytest.raises(UserError, match="rows as preference: row 0, rejected: missing"):
        to_trl([Row({"prompt": "p", "chosen": "c"}, Source("x"))], "preference")


@pytest.mark.parametrize(
    ("chosen", "rejected"),
    [
        ("The sky is blue.", "The sky is green."),
        ("The sky is blue.", "The sky is blue. Really."),
        ("ab", "ac"),
        ("one two", "one  two"),
        ([USER, BLUE], [USER, GREEN]),
        ([USER, BLUE, USER, BLUE], [USER, BLUE, USER, GREEN]),
    ],
)
def test_implicit_prompts_are_those_of_trl(chosen, rejected):
    from trl.data_utils import extract_prompt

    assert explicit_prompt({"chosen": chosen, "rejected": rejected}) == extract_prompt(
        {"chosen": chosen, "rejected": rejected}
    )


def test_answers_that_share_nothing_leave_an_empty_prompt():
    assert explicit_prompt({"chosen": "yes ", "rejected": "no "})["prompt"] == ""


def test_unpairing_is_that_of_trl():
    import datasets
    from trl import unpair_preference_dataset

    row = EXAMPLES["preference"][0]
    theirs = unpair_preference_dataset(datasets.Dataset.from_list([row])).to_list()
    assert unpaired(row) == theirs


def test_what_is_asked_is_found_in_any_kind():
    assert prompt_of({"messages": [USER, BLUE]}) == [USER]
    assert prompt_of({"messages": [USER]}) == [USER]
    assert prompt_of({"prompt": "p", "completion": "c"}) == "p"
    assert prompt_of({"chosen": "The sky is blue.", "rejected": "The sky is green."}) == "The sky is"
    with pytest.raises(UserError, match="no prompt"):
        prompt_of({"text": "x"})
