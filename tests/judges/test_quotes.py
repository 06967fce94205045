"""Debate by quotes over a text that the judge does not see, with models whose likelihoods are known."""

import math

import pytest

from truenorth.base import UserError
from truenorth.judges.quotes import QuoteDebate, verdict
from truenorth.models.local import LocalModel
from truenorth.models.scripted import ScriptedModel
from truenorth.records import Group

TEXT = "The mill is red. The barn is blue. It rained."
NOTE = "Note: {quote} {question}"


def reader(told, going_on):
    """Likelier is what the note says; and a question is likelier behind a note about its thing."""
    thing, _, colour = going_on.strip().partition("?")
    known = [w for w in ("red", "blue") if w in told.lower()]
    fits = 0.0 if thing.split()[-1] in told.lower() else -6.0
    return fits + (math.log(0.9) if colour.strip() in known else math.log(0.3))


def debate(text=TEXT, **settings):
    model = ScriptedModel(lambda p, i: "", likelihood=reader)
    return QuoteDebate(model, model, {"What colour is the mill?": text}, note=NOTE, **settings)


ASKED = (["What colour is the mill?"], ["red"], ["blue"])


def test_each_side_quotes_the_sentence_that_makes_its_answer_likeliest():
    assert debate().quotes(*ASKED) == ["The mill is red."]
    assert debate().quotes(ASKED[0], ASKED[2], ASKED[1]) == ["The barn is blue."]


def test_a_quote_about_something_else_counts_for_little():
    # Behind a note about the mill (weight 1): 0.9 and 0.3. Behind the one about the barn (weight e^-6): 0.3 and 0.9.
    # Without notes both answers have the same likelihood, so that the odds are those of the sums.
    odds = (0.9 + math.exp(-6) * 0.3) / (0.3 + math.exp(-6) * 0.9)
    [found] = debate().compare(*ASKED)
    assert found.first == pytest.approx(odds / (1 + odds))
    [turned] = debate().compare(ASKED[0], ASKED[2], ASKED[1])
    assert turned.first == pytest.approx(1 - found.first)
    assert found.consistent


def test_a_consultant_is_believed_whichever_side_it_was_given():
    says = {debate(seed=seed).consult(*ASKED)[0].first > 0.5 for seed in range(10)}
    assert says == {True, False}


def test_a_quote_that_does_not_stand_in_the_text_is_not_heard():
    [both] = debate().hear(*ASKED, [["The  mill is RED.", "The mill is blue."]])
    [one] = debate().hear(*ASKED, [["The mill is red."]])
    assert both.first == pytest.approx(one.first)
    assert debate().hear(*ASKED, [["The mill is blue."]])[0].first is None


def test_without_a_text_there_is_nothing_to_quote_and_no_verdict():
    silent = debate(text="")
    assert silent.compare(*ASKED)[0].first is None
    [[first, second]] = silent.judge([Group(ASKED[0][0], ["red", "blue"])])
    assert (first.score, first.reason, second.score) == (
        None,
        "nothing to quote, or it speaks for neither",
        None,
    )
    [[alone]] = debate().judge([Group(ASKED[0][0], ["red"])])
    assert alone.reason == "not a pair of answers"


def test_quotes_that_make_neither_answer_likelier_leave_no_verdict():
    # "red" goes from 0.3 to 0.9 behind the note about the mill: log 3, 1.10 nats. Rain says nothing of it.
    told = [["The mill is red."]]
    assert debate(support=1.0).hear(*ASKED, told)[0].first == pytest.approx(0.75)
    assert debate(support=1.2).hear(*ASKED, told)[0].first is None
    assert debate(support=0.1).hear(*ASKED, [["It rained."]])[0].first is None
    assert debate().hear(*ASKED, [["It rained."]])[0].first == pytest.approx(0.5)


def test_the_judge_alone_goes_by_how_likely_it_finds_an_answer():
    assert debate().unheard(*ASKED)[0].first == pytest.approx(0.5)
    assert debate().read(*ASKED)[0].first > 0.7


def test_a_note_must_have_the_quote_before_the_question():
    with pytest.raises(UserError, match="after it"):
        QuoteDebate(None, None, {}, note="{question} {quote}", name="x")


def test_log_odds_of_log_three_are_three_to_one():
    assert verdict(math.log(3), 0.0).first == pytest.approx(0.75)
    assert verdict(-1e4, 0.0).first == pytest.approx(0.0)


def test_a_chat_is_read_in_its_template_with_the_note_in_the_last_user_turn(tiny_llama):
    model = LocalModel.load(tiny_llama())
    prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What colour?"}]
    judge = QuoteDebate(model, model, {}, note=NOTE, name="x")
    told, going_on = judge._behind(prompt, "It is red.", "Red.")
    noted = [prompt[0], {"role": "user", "content": "Note: It is red. What colour?"}]
    whole = model.tokenizer.apply_chat_template(noted, tokenize=False, add_generation_prompt=True)
    assert told + going_on == whole + "Red."
    assert told.endswith("Note: It is red.")
    plain = model.tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
    assert "".join(judge._behind(prompt, "", "Red.")) == plain + "Red."
