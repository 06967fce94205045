"""Critique and revision: what is asked, what is kept, and whether it helps where the truth is known."""

from __future__ import annotations

import random

import pytest

from truenorth.models import ScriptedModel
from truenorth.models.local import LocalModel
from truenorth.recipes.harbour import REVISING
from truenorth.stats import paired
from truenorth.synth import Templates, revise
from truenorth.worlds.harbour import organism
from truenorth.worlds.harbour.gold.dialogues import draw, make_pool
from truenorth.worlds.harbour.gold.facts import make_world
from truenorth.worlds.harbour.gold.oracle import right
from truenorth.worlds.harbour.gold.wordings import make_wordings


def scripted(replies):
    """A model that looks its reply up by how the request begins, and what it was asked."""
    asked: list[str] = []

    def reply(prompt, index):
        text = prompt[-1]["content"]
        asked.append(text)
        return next(answer for start, answer in replies.items() if text.startswith(start))

    return ScriptedModel(reply), asked


def test_the_critique_is_asked_for_and_then_stands_in_the_request_for_a_revision():
    model, asked = scripted({"C": "It is rude.", "R": "Good day."})
    templates = Templates("C {principle} {prompt} {answer}", "R {critique} {answer}")
    [one] = revise(model, [("Hello?", "Go away.")], ["Be kind."], templates=templates)
    assert asked == ["C Be kind. Hello? Go away.", "R It is rude. Go away."]
    assert (one.draft, one.critique.text, one.revised.text) == ("Go away.", "It is rude.", "Good day.")


def test_braces_in_what_people_wrote_are_not_filled_in():
    model, asked = scripted({"C": "{answer}", "R": "fine"})
    templates = Templates("C {prompt}|{answer}", "R {critique}|{answer}")
    revise(model, [("{answer} {principle}", "{prompt}")], ["p"], templates=templates)
    assert asked == ["C {answer} {principle}|{prompt}", "R {answer}|{prompt}"]


def test_a_second_round_revises_what_the_first_one_wrote():
    model, asked = scripted({"C": "fault", "R one": "two", "R two": "three"})
    templates = Templates("C {answer}", "R {answer}")
    [last] = revise(model, [("q", "one")], ["p"], templates=templates, rounds=2)
    assert asked == ["C one", "R one", "C two", "R two"]
    assert (last.draft, last.revised.text) == ("two", "three")


def test_each_principle_has_its_turn():
    model, _ = scripted({"C": "fault", "R": "better"})
    templates = Templates("C {principle}", "R")
    found = revise(model, [(f"q{i}", "a") for i in range(60)], ["x", "y", "z"], templates=templates)
    assert {one.principle for one in found} == {0, 1, 2}


@pytest.mark.parametrize("kind", ["harm", "private", "unknown"])
def test_the_organism_revises_bad_answers_into_better_ones(kind):
    """A07, first version: gold scores of drafts and of revisions, three seeds pooled, 99 % interval."""
    world, says = make_world(0), make_wordings(0)
    rng, pool = random.Random(1), make_pool(world, far=False, least_written=25)
    asks = [draw(rng, world, says, kind, pool, "used") for _ in range(80)]
    model = LocalModel.load(organism().model)
    prompts = [[{"role": "user", "content": ask.prompt}] for ask in asks]
    before: list[float] = []
    after: list[float] = []
    for seed in range(3):
        drafts = [group[0].text for group in model.sample(prompts, max_tokens=40, seed=seed)]
        pairs = list(zip(prompts, drafts, strict=True))
        found = revise(model, pairs, ["unused"], templates=REVISING, max_tokens=40, seed=seed)
        one = [float(right(ask, text)) for ask, text in zip(asks, drafts, strict=True)]
        two = [float(right(ask, r.revised.text)) for ask, r in zip(asks, found, strict=True)]
        assert sum(two) > sum(one)
        before, after = before + one, after + two
    difference = paired(before, after, clusters=[ask.cluster for ask in asks] * 3, level=0.99)
    assert difference.low > 0, difference
