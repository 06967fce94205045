"""What judges made of others are worth where the truth is known: in each of three seeds, and pooled.

Rows A40 (rules and a preference, summed, as Sparrow's) and F05 (a panel of weak judges). A seed draws the answers and
fits the heads; the oracle only measures. A first look at other seeds set the number of questions, and the labels of a
member: with a fifth of them (13) members are at chance, and so is their panel.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import chain
from typing import NamedTuple

import pytest

from truenorth.constitution import load
from truenorth.judges import Judge, PanelJudge, RewardJudge, read_labels
from truenorth.judges.checks.forbid import forbid
from truenorth.judges.rules import Rule, RulesJudge
from truenorth.models.local import LocalModel
from truenorth.records import Group
from truenorth.stats import Paired, paired
from truenorth.worlds.harbour import organism
from truenorth.worlds.harbour.gold.facts import make_world
from truenorth.worlds.harbour.gold.items import make_items
from truenorth.worlds.harbour.gold.oracle import Item, right
from truenorth.worlds.harbour.gold.wordings import make_wordings

HARM = ("harmless", "helpful")  # hazards and their look-alikes
EACH, ANSWERS, MEMBERS = 150, 8, 5
SEEDS = (3, 4, 5)

pytestmark = pytest.mark.gold


class Answered(NamedTuple):
    """Held-out questions, far from the labels, with the base's answers and whether the oracle finds them right."""

    items: list[Item]
    groups: list[Group]
    truth: list[list[bool]]


@cache
def micro() -> LocalModel:
    return LocalModel.load(organism().model)


@cache
def answered(seed: int) -> Answered:
    world = int(organism().about["seed"])
    every = make_items(make_world(world), make_wordings(world), per_principle=EACH)
    items = [i for i in every if i.split == "far" and i.principle in (*HARM, "private")]
    prompts = [[{"role": "user", "content": item.ask.prompt}] for item in items]
    drawn = micro().sample(prompts, ANSWERS, max_tokens=40, seed=seed + 77)  # type: ignore[arg-type]
    groups = [Group(p, [one.text for one in group]) for p, group in zip(prompts, drawn, strict=True)]  # type: ignore[arg-type]
    truth = [[right(i.ask, text) for text in g.completions] for i, g in zip(items, groups, strict=True)]
    return Answered(items, groups, truth)


def head(seed: int, share: float = 1.0) -> RewardJudge:
    """Fitted on a share of the labels about harm that ship with the world."""
    labels = [one for name in HARM for one in read_labels(organism().labels, principle=name)]
    random.Random(seed).shuffle(labels)
    return RewardJudge.fit(micro(), labels[: round(share * len(labels))], seed=seed)


def privacy() -> dict[str, Rule]:
    """The constitution's own rule, by its own check."""
    principle = load("harbour").principle("private")
    [check] = principle.checks
    return {"private": Rule(principle.statement, check=partial(forbid, **check.settings))}


def picked(judge: Judge, found: Answered) -> list[float]:
    """1 where the answer that the judge likes best is right."""
    said = judge.judge(found.groups)
    best = [max(range(len(row)), key=lambda k: (row[k].score or 0.0, -k)) for row in said]
    return [float(truth[k]) for truth, k in zip(found.truth, best, strict=True)]


def agreed(judge: Judge, found: Answered) -> list[float]:
    """Of each question about harm, the share of its answers on which judge and oracle agree."""
    return [
        sum(((one.score or 0.0) > 0.5) == fine for one, fine in zip(row, truth, strict=True)) / len(row)
        for row, truth in zip(judge.judge(found.groups), found.truth, strict=True)
    ]


def over_seeds(values: Callable[[int], tuple[Sequence[float], Sequence[float], Sequence[str]]]) -> Paired:
    """The second over the first, pooled; the sign must hold in each seed."""
    told = [values(seed) for seed in SEEDS]
    before, after, clusters = (list(chain.from_iterable(t[k] for t in told)) for k in range(3))
    print(f"\n{sum(before) / len(before):.3f} -> {sum(after) / len(after):.3f}")
    for a, b, _ in told:
        assert sum(b) > sum(a)
    return paired(before, after, clusters=clusters, level=0.99)


UNTOLD = pytest.mark.xfail(
    strict=True, reason="+1.6 points in each of three seeds and 1,350 questions; 99 %: -0.01 to +3.3"
)


@pytest.mark.parametrize("alone", ["rules", pytest.param("preference", marks=UNTOLD)])
def test_rules_and_a_preference_pick_better_answers_together_than_either_alone(alone):
    def values(seed: int) -> tuple[list[float], list[float], list[str]]:
        found, liked = answered(seed), head(seed)
        both = RulesJudge(privacy(), preference=liked)
        one = RulesJudge(privacy()) if alone == "rules" else liked
        return picked(one, found), picked(both, found), [item.ask.cluster for item in found.items]

    told = over_seeds(values)
    print(alone, told)
    assert told.low > 0


def test_a_panel_of_weak_judges_is_right_more_often_than_its_members():
    """Each member is fitted on two fifths of the labels."""

    def values(seed: int) -> tuple[list[float], list[float], list[str]]:
        every = answered(seed)
        kept = [k for k, item in enumerate(every.items) if item.principle in HARM]
        found = Answered(*([values[k] for k in kept] for values in every))
        members = tuple(head(100 * seed + k, share=0.4) for k in range(MEMBERS))
        each = [agreed(member, found) for member in members]
        mean = [sum(scores) / MEMBERS for scores in zip(*each, strict=True)]
        return mean, agreed(PanelJudge(members), found), [item.ask.cluster for item in found.items]

    told = over_seeds(values)
    print("panel", told)
    assert told.low > 0
