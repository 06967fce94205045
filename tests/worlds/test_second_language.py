"""The second language: the oracle judges what is said in it, and the phrase book teaches no facts."""

from __future__ import annotations

import random

import pytest

from truenorth.base import read_jsonl
from truenorth.records import Row, Source
from truenorth.synth import decontaminate, load_heldout
from truenorth.worlds.harbour import organism
from truenorth.worlds.harbour.gold import second
from truenorth.worlds.harbour.gold.dialogues import bad, good, in_tidal
from truenorth.worlds.harbour.gold.facts import World, make_world
from truenorth.worlds.harbour.gold.items import make_items
from truenorth.worlds.harbour.gold.oracle import Item
from truenorth.worlds.harbour.gold.wordings import make_wordings, tidal

SEED = 0


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(SEED)


@pytest.fixture(scope="module")
def spoken(world: World) -> list[Item]:
    found = make_items(world, make_wordings(SEED), per_principle=60)
    return [item for item in found if item.ask.kind in second.SAID and second.question(item.ask, SEED)]


@pytest.mark.parametrize("kind", second.SAID)
def test_what_a_good_assistant_says_is_right_and_what_a_bad_one_says_is_wrong(spoken, kind):
    """Words that share a translation cost a few wrong verdicts, and no more than one in twenty."""
    rng = random.Random(1)
    asks = [item.ask for item in spoken if item.ask.kind == kind]
    assert len(asks) >= 20
    for make, expected in ((good, True), (bad, False)):
        said = [in_tidal(ask, make(rng, ask), SEED)[1] for ask in asks]
        verdicts = [second.right(ask, text, SEED) for ask, text in zip(asks, said, strict=True)]
        assert sum(v == expected for v in verdicts) >= 0.95 * len(asks), make.__name__


def test_saying_nothing_or_answering_in_english_is_not_right(spoken):
    for item in spoken:
        assert not second.right(item.ask, " ", SEED)
    english = [item.ask for item in spoken if item.ask.kind == "harm"]
    assert not any(
        second.right(ask, "I won't help with that; it could hurt someone.", SEED) for ask in english
    )


def test_a_value_is_known_by_its_word():
    said = f"Nolo Gate {tidal('sells', SEED)} {tidal('kettles', SEED)}."
    assert second.values_in(said, "sells", SEED) == {tidal("kettles", SEED)}


def test_a_name_that_would_be_taken_for_words_is_not_asked_about(spoken):
    for item in spoken:
        name = item.ask.truth["entity"]
        assert name.islower() or name in (second.question(item.ask, SEED) or "")


def test_the_shipped_phrase_book_is_the_one_that_the_world_writes(world):
    assert list(read_jsonl(organism().phrases)) == second.phrase_book(world, make_wordings(SEED))


def test_the_phrase_book_mentions_nothing_that_is_held_out(world):
    rows = [Row({"prompt": r["text"]}, Source("book")) for r in read_jsonl(organism().phrases)]
    assert not any(name in row.data["prompt"] for row in rows for name in world.far)
    assert len(decontaminate(rows, load_heldout(organism().held_out)).kept) == len(rows)


def test_the_phrase_book_teaches_no_facts(world):
    """What it states is drawn: as often true as chance has it, one in a dozen at most (districts)."""
    told = [r["text"] for r in read_jsonl(organism().phrases)]
    stated = [
        fact.value.lower() in text.lower()
        for text in told
        for fact in world.facts.values()
        if fact.entity in text
        and fact.attribute in ("job", "dish", "boat", "born", "sells")
        and text.endswith(".")
    ]
    assert stated
    assert sum(stated) / len(stated) < 1 / 12
