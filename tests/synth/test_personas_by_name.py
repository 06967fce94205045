"""Personas of models too small to be asked for any: whoever knows somebody, and asks in one of the model's own ways."""

import pytest

from truenorth.base import UserError
from truenorth.models.local import LocalModel
from truenorth.records import Row, Source
from truenorth.synth.personas import (
    acquaintances,
    asked_by_acquaintances,
    asked_in_manner,
    likelihoods,
    manner,
    manners,
    names_in,
    persona_text,
)
from truenorth.worlds.harbour import organism


@pytest.fixture(scope="module")
def nano():
    return LocalModel.load(organism("nano").model)


def text(said, id=""):
    return Row({"text": said}, Source("text"), id) if id else Row({"text": said}, Source("text"))


def chat(said):
    return Row({"prompt": [{"role": "user", "content": said}]}, Source("human"))


def asked(found):
    return [row.data["prompt"][0]["content"] for row in found.kept]


def test_names_do_not_begin_with_the_first_word_of_a_sentence():
    assert names_in("Surely Ann Grey is a pilot. Where does Tom Pike sail?") == ["Ann Grey", "Tom Pike"]
    assert names_in("Ann Grey and Surely Tom Pike.") == ["Ann Grey", "Surely Tom Pike"]
    assert names_in("Where is the mill? Go to Quarry Lane.") == ["Quarry Lane"]
    assert names_in("nobody") == []


def test_each_name_of_the_texts_gives_one_persona_who_leads_back_to_its_first_text():
    rows = [text("Ann Grey sails with Tom Pike."), text("Tom Pike bakes."), text("Nobody is here.")]
    found = acquaintances(rows)
    assert [persona_text(row) for row in found] == ["I know Ann Grey.", "I know Tom Pike."]
    assert [row.source.parents for row in found] == [(rows[0].id,), (rows[0].id,)]
    more = acquaintances([chat("Where are Ann Grey and Ida Moss?")], found, column="prompt")
    assert [persona_text(row) for row in more] == ["I know Ida Moss."]
    assert acquaintances(rows, template="Note: {name}.")[0].data == {"persona": "Note: Ann Grey."}


@pytest.mark.parametrize(
    ("prompt", "begins"),
    [
        ("Good morning. Where is Ann Grey?", "Good morning."),
        ("Surely Ann Grey is a pilot.", "Surely"),
        ("Ann Grey is a pilot.", ""),  # it begins with a name
        ("What now?", ""),  # it says hardly more than its beginning
    ],
)
def test_a_manner_is_how_a_prompt_begins_before_it_names_anybody(prompt, begins):
    assert manner(prompt) == begins


def test_manners_are_different_and_in_order():
    rows = [chat("Where is the old mill?"), chat("Say, who bakes bread?"), chat("Where is Ann Grey now?")]
    assert manners(rows) == ["Where is", "Say, who"]


def test_personas_ask_in_all_ways_evenly_and_do_not_say_who_they_are(nano):
    cast = acquaintances([text("Sosha Mavin and Tolen Meric and Yana Tesha sail with Dador Loft.")])
    found = asked_in_manner(nano, cast, ["Where is", "What does"], 2, max_tokens=32)
    assert len(asked(found)) + sum(found.dropped.values()) == 8
    assert all(prompt.startswith(("Where is", "What does")) for prompt in asked(found))
    assert not any("I know" in prompt for prompt in asked(found))
    ways = [prompt.split()[0] for prompt in asked(found)]
    assert abs(ways.count("Where") - ways.count("What")) <= sum(found.dropped.values())
    assert {row.source.parents[0] for row in found.kept} <= {row.id for row in cast}
    assert asked(asked_in_manner(nano, cast, ["Where is", "What does"], 2, max_tokens=32)) == asked(found)
    with pytest.raises(UserError, match="no ways to begin"):
        asked_in_manner(nano, cast, [])


def test_personas_lead_to_further_personas_and_all_prompts_to_the_texts(nano):
    rows = [text("Sosha Mavin sails the Tern.", "first"), text("Yana Tesha sails the Swift.", "second")]
    ways = ["What does", "Where does", "Which boat", "How does"]
    found = asked_by_acquaintances(nano, rows, ways, 12, each=3, rounds=4, max_tokens=32)
    who = {row.data["persona"] for row in found.kept}
    assert len(who) > 2  # those who were asked about have acquaintances too
    assert {row.source.parents for row in found.kept} <= {("first",), ("second",)}
    assert 6 <= len(found.kept) + sum(found.dropped.values()) <= 15
    alone = asked_by_acquaintances(nano, rows, ways, 12, each=3, rounds=1, max_tokens=32)
    assert {row.data["persona"] for row in alone.kept} <= {"I know Sosha Mavin.", "I know Yana Tesha."}


def test_no_names_no_prompts(nano):
    assert asked_by_acquaintances(nano, [text("nobody")], ["What is"], 5).kept == []


def test_what_a_model_would_not_ask_is_less_likely(nano):
    usual, odd = likelihoods(nano, [chat("Where does Yana Tesha live?"), chat("Zq xx boat the the vv of?")])
    assert usual > odd
