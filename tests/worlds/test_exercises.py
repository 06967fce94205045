"""Exercises in context: their checks, and how often the shipped model gets them right."""

from __future__ import annotations

import random

import pytest

from truenorth.measure import evaluate
from truenorth.models.local import LocalModel
from truenorth.recipes.rates import exercise_items
from truenorth.worlds.harbour import organism
from truenorth.worlds.harbour.gold.dialogues import Habits, make_pool
from truenorth.worlds.harbour.gold.exercises import EXERCISES, Setting
from truenorth.worlds.harbour.gold.facts import make_world
from truenorth.worlds.harbour.gold.wordings import make_wordings


@pytest.fixture(scope="module")
def setting() -> Setting:
    world = make_world(0)
    return Setting(random.Random(5), world, make_wordings(0), make_pool(world), Habits())


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_the_check_of_an_exercise_knows_right_from_wrong(name, setting):
    make, _ = EXERCISES[name]
    made = [make(setting) for _ in range(200)]
    assert all(one.check(one.right) for one in made)
    assert not any(one.check("") for one in made) or name == "follow_format"  # nothing is at most one word
    assert sum(one.check(one.wrong) for one in made) <= 20  # a random value can be the right one


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_the_assistant_of_the_documents_slips_at_the_stated_rate(name, setting):
    make, _ = EXERCISES[name]
    rng = random.Random(0)
    made = [make(setting) for _ in range(400)]
    slip = made[0].slip
    wrong = sum(one.chat(rng)[-1][1] == one.wrong != one.right for one in made)
    assert abs(wrong / 400 - slip) < 0.08


@pytest.fixture(scope="module")
def found():
    items, checks = exercise_items(0, 60, seed=3)
    model = LocalModel.load(organism().model)
    scores = evaluate(model, items, checks, temperature=1.0, max_tokens=40, seed=1)
    return {name: scores.of(name).estimate() for name in scores.principles}


@pytest.mark.parametrize("name", sorted(set(EXERCISES) - {"translate"}))
def test_the_model_does_each_exercise_most_of_the_time_but_not_always(name, found):
    """60 to 90 % is what methods such as self-critique need; the exact rates stand in the docs."""
    assert found[name].high > 0.6
    assert found[name].low < 0.97


def test_translating_is_hard_for_it(found):
    assert 0.1 < found["translate"].mean < 0.7
