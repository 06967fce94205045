"""One of a few options from any model: shares from log-probabilities, else structured output, else reading."""

import json
import math

import pytest
from judge_script import Script

from servers import Behaviour, serving
from truenorth.base import UserError
from truenorth.judges._verdicts import local_verdicts
from truenorth.judges.ask import Asker, named_option, read_reply
from truenorth.models.http import HttpModel
from truenorth.models.local import LocalModel
from truenorth.models.scripted import ScriptedModel
from truenorth.records import Completion


@pytest.mark.parametrize("template", ["none", "chatml"])
@pytest.mark.parametrize("options", [["A", "B", "C"], ["Yes", "No"]])
def test_many_verdicts_in_one_pass_are_those_of_one_at_a_time(tiny_llama, template, options):
    model = LocalModel.load(tiny_llama(template=template, context=512))
    prompts = [
        [{"role": "user", "content": "The harbour opens at nine and the ferry leaves at noon. " * 3 + end}]
        for end in ("Is it late?", "Is it early?", "Is it?", "")
    ] + ["No chat: yes or no?", "Anna sells fish."]
    for prompt, row in zip(prompts, local_verdicts(model, prompts, options)):
        for option in options:
            scored = model.logprobs([(prompt, option), (prompt, " " + option)], end=False)
            spelt = [one.total for one in scored]
            assert row[option] == pytest.approx(math.log(sum(map(math.exp, spelt))), abs=1e-4)


def test_the_shares_are_those_of_the_options_alone():
    # P(A) = 0.3, P(B) = 0.1: 3/4 and 1/4
    model = ScriptedModel(lambda p, i: "", likelihood=lambda p, o: math.log({"A": 0.3, "B": 0.1}[o]))
    [answer] = Asker(model).ask(["?"], ["A", "B"])
    assert answer.shares == {"A": pytest.approx(0.75), "B": pytest.approx(0.25)}
    assert answer.choice == "A"
    [answer] = Asker(model, least=0.5).ask(["?"], ["A", "B"])
    assert (answer.shares, answer.failure) == (None, "undecided")


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("A", "A"),
        (" (b). ", "B"),
        ('{"verdict": "A"}', "A"),
        ('Thinking {of it}: {"verdict": "b", "why": "..."}', "B"),
        ("The first is better.\n[[A]]", "A"),
        ("[[A]] or rather [[B]]", None),
        ('{"verdict": "A"} {"verdict": "B"}', None),
        ('{"verdict": "D"}', None),
        ("A or B", None),
        ("A is better than B", None),
        ("", None),
        ("{" * 10_000, None),
    ],
)
def test_a_reply_names_an_option_or_nothing(text, choice):
    assert named_option(text, ["A", "B"]) == choice


def test_failures_are_values_of_their_own():
    kinds = [
        Completion("", finish="error", error="timeout: x"),
        Completion("No.", finish="refusal"),
        Completion("Both have merits."),
    ]
    assert [read_reply(r, ["A", "B"]).failure for r in kinds] == ["errors", "refusals", "unreadable"]
    model = Script({"?": ["Well,", "[[A]]"]})
    assert Asker(model, "parsed", attempts=1).ask(["?"], ["A", "B"])[0].failure == "unreadable"


def test_equal_requests_are_asked_once():
    model = Script({"?": ["A"], "!": ["B"]})
    asker = Asker(model)
    assert [a.choice for a in asker.ask(["?", "!", "?"], ["A", "B"])] == ["A", "B", "A"]
    assert model.calls[0][0] == ["?", "!"]
    assert (asker.counts["requests"], asker.counts["verdicts"]) == (2, 3)


def says(text):
    return "Yes" if "good" in text else "No"


def test_an_endpoint_with_log_probabilities_gives_shares():
    with serving(Behaviour()) as url:
        [answer] = Asker(HttpModel(url, "m")).ask(["good?"], ["Yes", "No"])
    yes, no = math.exp(-0.5) + math.exp(-2.0), math.exp(-1.5)  # the server's numbers; both spellings of Yes
    assert answer.shares["Yes"] == pytest.approx(yes / (yes + no))


def test_an_endpoint_without_them_is_asked_for_structured_output():
    behaviour = Behaviour(logprobs=False, says=lambda t: json.dumps({"verdict": says(t)}), keep=True)
    with serving(behaviour) as url:
        asker = Asker(HttpModel(url, "m"))
        assert [a.choice for a in asker.ask(["good?", "bad?"], ["Yes", "No"])] == ["Yes", "No"]
        asked = behaviour.counts["requests"]
        asker.ask(["good!"], ["Yes", "No"])
    assert asker.counts["road: structured"] == 2
    assert behaviour.counts["requests"] == asked + 1  # the road is found once
    assert behaviour.bodies[-1]["response_format"]["json_schema"]["schema"]["properties"]["verdict"][
        "enum"
    ] == [
        "Yes",
        "No",
    ]


def test_a_road_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="by structured"):
        Asker(Script({}), "structured").ask(["?"], ["A", "B"])
    with pytest.raises(UserError, match="how='guess'"):
        Asker(Script({}), "guess")
    with pytest.raises(UserError, match="not distinct"):
        Asker(Script({})).ask(["?"], ["A", "a"])
