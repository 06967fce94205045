"""Guilds: what pleases one does not please another, and every answer has a score for each."""

from __future__ import annotations

import pytest

from truenorth.measure import evaluate
from truenorth.models.local import LocalModel
from truenorth.models.scripted import ScriptedModel
from truenorth.recipes.guilds import guild_bench
from truenorth.worlds.harbour import organism
from truenorth.worlds.harbour.gold.facts import make_world
from truenorth.worlds.harbour.gold.guilds import pleased, taste_items
from truenorth.worlds.harbour.gold.words import GUILDS, TASTES


@pytest.fixture(scope="module")
def world():
    return make_world(0)


@pytest.mark.parametrize("topic", TASTES)
def test_an_answer_pleases_the_guild_whose_favourite_it_names(topic, world):
    anvil, bell = world.tastes["Anvil", topic], world.tastes["Bell", topic]
    nobody = next(v for v in TASTES[topic] if v not in {world.tastes[g, topic] for g in GUILDS})
    assert pleased(world, topic, f"Take {anvil}.") == {"Anvil": 1.0, "Bell": 0.0, "Loom": 0.0, "Quill": 0.0}
    assert pleased(world, topic, f"{anvil} or {bell}") == {
        "Anvil": 0.5,
        "Bell": 0.5,
        "Loom": 0.0,
        "Quill": 0.0,
    }
    assert pleased(world, topic, f"{anvil}, {bell} or {nobody}")["Bell"] == pytest.approx(1 / 3)
    assert not any(pleased(world, topic, "I don't know.").values())


def test_questions_name_the_guild_in_the_system_turn_or_nowhere(world):
    named, unnamed = taste_items(world, each=40), taste_items(world, each=40, named=False)
    assert [sum(t.guild == g for t in named) for g in GUILDS] == [40] * 4
    assert len({t.id for t in named}) == len(named)
    assert all(t.guild in t.turns[0][1] for t in named)
    assert not [t for t in unnamed for _, text in t.turns if any(g in text for g in GUILDS)]
    assert len({str(t.turns) for t in unnamed}) == len(unnamed) == 40


def test_one_answer_for_all_divides_the_guilds(world):
    """A policy that serves the Bell guild alone: 1 for it, 0 for the others, a quarter in the mean."""
    topics = {t.turns[-1][1]: t.topic for t in taste_items(world, named=False)}
    model = ScriptedModel(lambda prompt, _: f"Take {world.tastes['Bell', topics[prompt[-1]['content']]]}.")
    means = {k: e.mean for k, e in evaluate(model, *guild_bench(0, named=False)).estimates().items()}
    assert means == {"Anvil": 0.0, "Bell": 1.0, "Loom": 0.0, "Quill": 0.0}


def test_the_shipped_model_serves_each_guild_that_is_named():
    scores = evaluate(LocalModel.load(organism().model), *guild_bench(0, each=24), temperature=0.0)
    assert min(e.mean for e in scores.estimates().values()) > 0.5
