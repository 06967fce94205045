"""A Model under guidelines: what it is told is looked up for each prompt, anew each time."""

from __future__ import annotations

from truenorth.models import Model, ScriptedModel
from truenorth.models.guidelines import with_guidance, with_guidelines
from truenorth.records import prompt_text


def user(text):
    return [{"role": "user", "content": text}]


ECHO = ScriptedModel(
    lambda prompt, i: prompt_text(prompt), likelihood=lambda p, c: -float(len(prompt_text(p)))
)


def test_a_model_under_guidelines_is_a_model_and_keeps_what_it_wraps():
    told = with_guidelines(ECHO, lambda prompts: [() for _ in prompts])
    assert isinstance(told, Model)
    assert told.name == "scripted under guidelines"
    assert told.answer is ECHO.answer


def test_without_guidelines_it_is_the_model_itself():
    told = with_guidelines(ECHO, lambda prompts: [() for _ in prompts])
    prompts = [user("a"), "plain text", user("b")]
    assert told.sample(prompts, 2) == ECHO.sample(prompts, 2)
    assert told.logprobs([(user("a"), "x")]) == ECHO.logprobs([(user("a"), "x")])


def test_each_prompt_is_answered_and_scored_under_its_own_guidelines():
    told = with_guidelines(
        ECHO, lambda prompts: [("Be kind.", "Be brief.") if p == user("a") else () for p in prompts]
    )
    assert [group[0].text for group in told.sample([user("a"), user("b")])] == ["Be kind.\nBe brief.\na", "b"]
    assert [s.total for s in told.logprobs([(user("a"), "x"), (user("b"), "x")])] == [-20.0, -1.0]


def test_a_guideline_that_is_changed_holds_at_once():
    rules = {"harbour": "Doors are locked at nine."}
    told = with_guidelines(ECHO, lambda prompts: [tuple(rules.values()) for _ in prompts])
    assert told.sample([user("q")])[0][0].text == "Doors are locked at nine.\nq"
    rules["harbour"] = "Doors are locked at ten."
    assert told.sample([user("q")])[0][0].text == "Doors are locked at ten.\nq"
    rules.clear()
    assert told.sample([user("q")])[0][0].text == "q"


def test_a_system_turn_that_is_there_stays_below_the_guideline():
    prompt = [{"role": "system", "content": "You are Ann."}, *user("q")]
    assert with_guidance(prompt, "Be kind.") == [
        {"role": "system", "content": "Be kind.\nYou are Ann."},
        *user("q"),
    ]
