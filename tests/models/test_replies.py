"""What replies mean, kind by kind; no server needed."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from truenorth.models.replies import (
    Reply,
    Unreadable,
    completion,
    echoed_logprobs,
    first_token_logprobs,
    option_logprobs,
    read_reply,
)
from truenorth.records import Completion


def reply(**choice: Any) -> Reply:
    return Reply(choice, 0, 0)


@pytest.mark.parametrize(
    ("choice", "want"),
    [
        ({"message": {"content": "Yes."}, "finish_reason": "stop"}, Completion("Yes.")),
        ({"message": {"content": "Yes"}, "finish_reason": "length"}, Completion("Yes", finish="length")),
        ({"text": " went on"}, Completion(" went on")),
        ({"message": {"content": None, "refusal": "No."}}, Completion("No.", finish="refusal")),
        (
            {"message": {"content": "Ha"}, "finish_reason": "content_filter"},
            Completion("Ha", finish="refusal"),
        ),
        ({"message": {"content": None}, "finish_reason": "content_filter"}, Completion("", finish="refusal")),
    ],
)
def test_a_choice_is_an_answer_or_a_refusal(choice, want):
    assert completion(reply(**choice)) == want


@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        ({"message": {"content": ""}}, "empty"),
        ({"message": {}}, "empty"),
        ({"message": "Yes."}, "empty"),
        ({"message": {"content": ["Yes."]}}, "malformed"),
    ],
)
def test_what_is_no_text_is_no_answer(choice, kind):
    with pytest.raises(Unreadable) as caught:
        completion(reply(**choice))
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"{", "malformed"), (b"[]", "malformed"), (b"{}", "malformed"), (b'{"choices": []}', "empty"),
     (b'{"choices": ["a"]}', "empty")],
)  # fmt: skip
def test_a_reply_without_a_choice_is_unreadable(body, kind):
    with pytest.raises(Unreadable) as caught:
        read_reply(body)
    assert caught.value.kind == kind


def test_tokens_are_counted_where_they_are_told():
    told = {"choices": [{"text": "a"}, {"text": "b"}], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}
    assert read_reply(json.dumps(told).encode()) == Reply({"text": "a"}, 7, 2)
    for usage in (None, [], {"prompt_tokens": "7", "completion_tokens": True}):
        assert read_reply(json.dumps(told | {"usage": usage}).encode())[1:] == (0, 0)


def test_log_probabilities_behind_the_prompt_are_the_answers():
    told = {"tokens": ["ab", "cd", "ef"], "token_logprobs": [None, -1.0, -2.0], "text_offset": [0, 2, 4]}
    assert echoed_logprobs(reply(logprobs=told), "ab") == (-1.0, -2.0)
    assert echoed_logprobs(reply(logprobs=told), "") == (-1.0, -2.0)  # of the first token none is known
    assert echoed_logprobs(reply(logprobs=told), "abc") == (-2.0,)
    for part in (None, [], {}, told | {"text_offset": []}, told | {"token_logprobs": None}):
        assert echoed_logprobs(reply(logprobs=part), "ab") is None


def test_first_tokens_are_read_from_both_kinds_of_api():
    chat = {
        "content": [{"top_logprobs": [{"token": " Yes", "logprob": -1}, {"token": "No", "logprob": -2.5}]}]
    }
    assert first_token_logprobs(reply(logprobs=chat)) == [(" Yes", -1.0), ("No", -2.5)]
    assert first_token_logprobs(reply(logprobs={"top_logprobs": [{"Yes": -1, "No": -2}]})) == [
        ("Yes", -1.0),
        ("No", -2.0),
    ]
    assert first_token_logprobs(reply(logprobs={"content": []})) is None
    assert first_token_logprobs(reply()) is None
    with pytest.raises(Unreadable, match="unknown shape"):
        first_token_logprobs(reply(logprobs={"content": [{"token": "Yes"}]}))


def test_tokens_of_one_option_are_added_up():
    tokens = [("Yes", math.log(0.5)), (" Yes", math.log(0.25)), ("No", -math.inf), ("x", -1.0)]
    found = option_logprobs(tokens, ["Yes", "No", "Maybe"])
    assert found == {"Yes": pytest.approx(math.log(0.75)), "No": -math.inf}
    assert option_logprobs(tokens, ["Maybe"]) is None
