"""Verdicts from log-probabilities, and comparisons in both orders."""

import math

import pytest

from truenorth.base import UserError
from truenorth.judges.logprob import LogprobJudge, dialogue, fill, preference
from truenorth.judges.protocol import Judge
from truenorth.models.local import LocalModel
from truenorth.models.scripted import ScriptedModel
from truenorth.records import Group, prompt_text


def scripted(likelihood):
    """`likelihood(question, option)` is a probability."""
    return ScriptedModel(lambda p, i: "", likelihood=lambda p, o: math.log(likelihood(prompt_text(p), o)))


def test_the_score_is_the_share_of_yes():
    # P(Yes) = 0.3, P(No) = 0.1: 0.3 / 0.4
    judge = LogprobJudge(scripted(lambda q, o: {"Yes": 0.3, "No": 0.1}[o]), "Be kind.")
    [[one, empty]] = judge.judge([Group("Why?", ["So.", ""])])
    assert one.score == pytest.approx(0.75)
    assert empty.score is None
    assert isinstance(judge, Judge)
    assert judge.judge([]) == []


def test_the_question_holds_prompt_answer_and_statement():
    seen = []
    judge = LogprobJudge(scripted(lambda q, o: seen.append(q) or 0.5), "Be kind.")
    judge.judge([Group("Why {answer}?", ["So {statement}."])])
    assert seen[0].startswith("Question: Why {answer}?\nAnswer: So {statement}.\n")
    assert 'rule "Be kind."? Answer Yes or No.' in seen[0]


def test_a_model_that_says_something_else_gave_no_answer():
    judge = LogprobJudge(scripted(lambda q, o: 0.001), threshold=0.01)
    assert judge.judge([Group("Why?", ["So."])])[0][0].score is None


class Silent:
    name = "silent"

    def answer_logprobs(self, prompts, options):
        return [None, {"Yes": -1.0}][: len(prompts)]


def test_no_options_is_no_answer_and_one_option_is_all_of_it():
    [[none, only]] = LogprobJudge(Silent()).judge([Group("Why?", ["a", "b"])])
    assert (none.score, only.score) == (None, 1.0)


def test_a_judge_that_always_takes_the_first_prefers_neither():
    judge = LogprobJudge(scripted(lambda q, o: {"A": 0.9, "B": 0.1}[o]))
    [found] = judge.compare(["Why?"], ["x"], ["y"])
    assert found == (None, pytest.approx(0.9), pytest.approx(0.1), False)


def test_a_consistent_judge_prefers_the_same_answer_in_both_orders():
    def likes_x(question, option):
        return 0.8 if ("Answer A: x" in question) == (option == "A") else 0.2

    judge = LogprobJudge(scripted(likes_x))
    [one] = judge.compare(["Why?"], ["x"], ["y"])
    [other] = judge.compare(["Why?"], ["y"], ["x"])
    assert (one.first, one.consistent) == (pytest.approx(0.8), True)
    assert other.first == pytest.approx(1 - one.first)  # names swapped: u becomes 1 - u


@pytest.mark.parametrize(
    ("in_order", "exchanged", "expected"),
    [
        (0.5, 0.5, (0.5, 0.5, 0.5, True)),
        (None, 0.2, (None, None, 0.8, None)),
        (0.9, None, (None, 0.9, None, None)),
        (0.9, 0.5, (0.7, 0.9, 0.5, True)),
    ],
)
def test_orders_are_put_together_without_inventing_ties(in_order, exchanged, expected):
    assert preference(in_order, exchanged) == pytest.approx(expected)


def test_a_real_model_gives_probabilities(tiny_llama):
    judge = LogprobJudge(LocalModel.load(tiny_llama()), "Be kind.")
    [[one, two]] = judge.judge([Group([{"role": "user", "content": "Why?"}], ["Yes.", "No."])])
    assert 0 < one.score < 1
    assert one.score != two.score
    [found] = judge.compare(["Why?"], ["Yes."], ["No."])
    assert 0 < found.in_order < 1


def test_templates_and_options_that_cannot_work_are_refused():
    with pytest.raises(UserError, match=r"no \{answer\} in question"):
        LogprobJudge(Silent(), question="{prompt}?")
    with pytest.raises(UserError, match="are equal"):
        LogprobJudge(Silent(), options=("Yes", "Yes"))


def test_filling_replaces_each_name_once_and_reads_no_values():
    assert fill("{a}{b}{x}", {"a": "{b}", "b": "1"}) == "{b}1{x}"
    assert fill("", {"a": "1"}) == ""


def test_a_chat_of_several_turns_shows_its_roles():
    turns = [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]
    assert dialogue(turns) == "system: S\nuser: U"
    assert dialogue(turns[1:]) == dialogue("U") == "U"
