"""What stands beside the texts of a row, as people's files have it: labels as 0 and 1, numbers as text, NaN, tools."""

from __future__ import annotations

import json
from typing import Any

import data_tokenizers as made
import pytest
from data_tokenizers import assistant, user

from truenorth.learn.coupling import load_objective, needs
from truenorth.learn.data import Prepared, Shape, lint, prepare, wanted
from truenorth.learn.data.lint import refusal

ANSWER = {"prompt": "Who sells fish? ", "completion": "Anna does."}
PAIR = {"prompt": "Who sells fish? ", "chosen": "Anna does.", "rejected": "Bob does."}
LIST = {"prompt": "Who sells fish? ", "completions": ["Anna does.", "Bob does."]}
STEPS = {"prompt": "What is 2 plus 2 plus 1?", "completions": ["2 plus 2 is 4.", "4 plus 1 is 6."]}
TOOLS = [
    {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
]


def prepared(objective: str, *rows: dict[str, Any], tokenizer: Any = None) -> Prepared:
    want = wanted(needs(load_objective(objective)))
    return prepare(rows, want, made.codec(tokenizer or made.bpe()), Shape(), where="rows")


@pytest.mark.parametrize("good", [True, 1, 1.0, "1", "true", "True", "yes"])
@pytest.mark.parametrize("bad", [False, 0, "false", "No"])
def test_labels_are_true_and_false_whatever_a_file_calls_them(good, bad):
    data = prepared("kto", {**ANSWER, "label": good}, {**ANSWER, "label": bad})
    assert [one.columns["label"] for one in data.encoded] == [True, False]
    data = prepared("prm", {**STEPS, "labels": [good, bad]})
    assert [label for label in data.encoded[0].columns["labels"][0] if label is not None] == [1.0, 0.0]


def test_numbers_may_be_text_for_csv_knows_no_types():
    [one] = prepared("odpo", {**PAIR, "margin": "0.5", "weight": "2"}).encoded
    assert (one.columns["margin"], one.weight) == (0.5, 2.0)
    [one] = prepared("cost", {**PAIR, "unsafe_chosen": "0", "unsafe_rejected": "1"}).encoded
    assert one.columns["unsafe"] == [0.0, 1.0]
    [one] = prepared("listnet", {**LIST, "scores": ["1", "0.5"], "weight": "heavy"}).encoded
    assert (one.columns["scores"], one.weight) == ([1.0, 0.5], 1.0)  # a column of words means something else


@pytest.mark.parametrize(
    ("objective", "row", "says"),
    [
        ("odpo", {**PAIR, "margin": float("nan")}, "row 1, margin: expected a number, not 'nan'"),
        ("odpo", {**PAIR, "margin": "much"}, "row 1, margin: expected a number, not 'much'"),
        ("odpo", {**PAIR, "margin": None}, "row 1, margin: missing"),
        ("cost", {**PAIR, "unsafe_chosen": 1}, "row 1, unsafe: missing"),
        (
            "sft",
            {**ANSWER, "weight": float("nan")},
            "row 1, weight: expected a number of 0 or more, not 'nan'",
        ),
        ("sft", {**ANSWER, "weight": -1}, "row 1, weight: expected a number of 0 or more, not '-1'"),
        ("sft", {**ANSWER, "weight": [1]}, "row 1, weight: expected a number of 0 or more"),
        ("kto", {**ANSWER, "label": "good"}, "row 1, label: expected true or false, not 'good'"),
        ("listnet", {**LIST, "scores": [1, None]}, "row 1, scores: expected numbers"),
        (
            "listnet",
            {**LIST, "prompt": 5, "scores": [1, 0]},
            "row 1, prompt: expected text or messages, not int",
        ),
        ("prm", {**STEPS, "prompt": [user("2 plus 2?")], "labels": [1, 0]}, "row 1, prompt: expected text"),
        ("dpo", {**PAIR, "chosen": "cut \ud83d"}, "row 1, chosen: half of a character"),
        ("dpo", {**PAIR, "chosen": float("nan")}, "row 1, chosen: expected text or messages, not float"),
    ],
)
def test_values_that_mean_nothing_are_errors_with_row_and_column(objective, row, says):
    sound = {
        "odpo": {"margin": 1},
        "cost": {"unsafe": [0, 1]},
        "kto": {"label": True},
        "prm": {"labels": [1, 0]},
    }
    sound |= {"listnet": {"scores": [1, 0]}}
    base = {"odpo": PAIR, "cost": PAIR, "dpo": PAIR, "listnet": LIST, "prm": STEPS}.get(objective, ANSWER)
    data = prepared(objective, {**base, **sound.get(objective, {})}, row)
    assert [str(error)[: len(says)] for error in data.errors] == [says]
    assert {one.row for one in data.encoded} == {0}
    assert refusal(lint(data))


def test_tools_may_be_json_text_as_arrow_files_must_have_them():
    template = "{% for t in tools or [] %}{{ t['function']['name'] }};{% endfor %}" + made.CHATML
    tokenizer = made.bpe(template)
    chat = {"prompt": [user("2 plus 2?")], "completion": [assistant("4")]}
    plain, text = (
        prepared("sft", {**chat, "tools": tools}, tokenizer=tokenizer).encoded
        for tools in (TOOLS, json.dumps(TOOLS))
    )
    assert plain == text
    assert tokenizer.decode(plain[0].prompt).startswith("add;")
    refused = prepared("sft", {**chat, "tools": "add"}, tokenizer=tokenizer).refused
    assert "tools is not JSON" in refused[0].what
    refused = prepared("sft", {**chat, "chat_template_kwargs": "x"}, tokenizer=tokenizer).refused
    assert "chat_template_kwargs is 'x'" in refused[0].what


def test_a_turn_without_words_is_no_traceback_with_a_template_or_without_one():
    call = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"function": {"name": "add", "arguments": {}}}],
    }
    chat = {"messages": [user("2 plus 2?"), call, {"role": "tool", "content": "4"}, assistant("It is 4.")]}
    assert prepared("sft", chat, tokenizer=made.bpe()).encoded  # joined by newlines
    refused = prepared("sft", chat, tokenizer=made.bpe(made.CHATML)).refused  # text + None
    assert "chat template refuses the turns" in refused[0].what
