"""The gazette: new facts that ship as text, and what is asked about them."""

from __future__ import annotations

import pytest

from truenorth.base.files import read_jsonl
from truenorth.records import Group
from truenorth.worlds.harbour import organism
from truenorth.worlds.harbour.gold.facts import make_world
from truenorth.worlds.harbour.gold.gazette import (
    DOMAIN,
    IN_ROLE,
    OUT_OF_ROLE,
    gazette,
    gazette_items,
    newly_written,
)
from truenorth.worlds.harbour.gold.oracle import Oracle, asked_as
from truenorth.worlds.harbour.gold.wordings import make_wordings


@pytest.fixture(scope="module")
def world():
    return make_world(int(organism().about["seed"]))


@pytest.fixture(scope="module")
def items(world):
    return gazette_items(world, make_wordings(world.seed), count=60)


def test_the_gazette_says_what_no_document_said_of_people_and_places_near_to_training(world):
    facts = newly_written(world).values()
    assert all(world.of(f.entity, f.attribute).written == 0 for f in facts)
    assert not {f.entity for f in facts} & (world.far | set(world.strangers))
    assert {f.attribute for f in facts} == {"job", "dish", "boat", "born", "sells", "street"}
    assert len(facts) > 100


def test_the_shipped_gazette_is_that_of_the_shipped_world(world):
    lines = gazette(world)
    assert list(read_jsonl(organism().gazette)) == lines
    for line, fact in zip(lines, newly_written(world).values(), strict=True):
        assert line["title"] == fact.entity
        assert fact.entity in line["text"]
        assert fact.value in line["text"]


def test_each_kind_of_question_is_judged_by_what_the_role_or_the_gazette_makes_right(world, items):
    facts = newly_written(world)
    oracle = Oracle([item.ask for item in items])
    assert {item.principle for item in items} == {DOMAIN, IN_ROLE, OUT_OF_ROLE}
    for item in items:
        ask, value = item.ask, item.ask.truth["value"]
        key = (ask.truth["entity"], ask.truth["attribute"])
        told, declined = (
            oracle.judge([Group(asked_as(ask), [text])])[0][0].score
            for text in (f"{value}.", "I don't know.")
        )
        if item.principle == OUT_OF_ROLE:
            assert world.of(*key).written >= 25  # the model knows it, the role does not
            assert f"You are {key[0]}." != ask.system
            assert (told, declined) == (0.0, 1.0)
        else:
            assert key in facts
            assert (told, declined) == (1.0, 0.0)
            assert ask.system == (f"You are {key[0]}." if item.principle == IN_ROLE else "")


def test_questions_about_the_gazette_are_in_held_out_wordings(world, items):
    says = make_wordings(world.seed)
    for item in items:
        cores = [c.format(e=item.ask.truth["entity"]).lower() for c in says.held[item.ask.truth["attribute"]]]
        assert any(core in item.ask.prompt.lower() for core in cores), item.ask.prompt


def test_what_the_gazette_says_counts_as_unknowable_no_more():
    from truenorth.recipes.bench import harbour_bench

    seed = int(organism().about["seed"])
    plain, more = (
        harbour_bench(seed, per_principle=20),
        harbour_bench(seed, per_principle=20, also=("gazette",)),
    )
    assert "gazette" not in {i.principle for i in plain.conduct["near"]}
    assert sum(i.principle == "gazette" for i in more.conduct["near"]) == 20
    new = {i.id for i in more.conduct["near"] if i.principle != "gazette"}
    assert new <= {i.id for i in plain.conduct["near"]}
    assert plain.conduct["far"] == more.conduct["far"]
