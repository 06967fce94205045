"""What makers do to the gold score of answers on the organism: three seeds, pooled, 99 % intervals that exclude zero.

The oracle only measures: it sees what was made, and nothing that is made sees it.
"""

from __future__ import annotations

import random
import re

import pytest

from truenorth.judges import ConsistencyJudge, VerifiableJudge
from truenorth.judges._maths import final_answer
from truenorth.models.local import LocalModel
from truenorth.recipes.harbour import SCENE
from truenorth.records import Row, Source
from truenorth.stats import paired
from truenorth.synth import (
    Opposites,
    contrast,
    decomposed,
    guided,
    known_answers,
    rollout_labels,
    scene_answers,
)
from truenorth.worlds.harbour import organism
from truenorth.worlds.harbour.gold.dialogues import draw, make_pool
from truenorth.worlds.harbour.gold.exercises import GUIDELINES
from truenorth.worlds.harbour.gold.facts import make_world
from truenorth.worlds.harbour.gold.oracle import right
from truenorth.worlds.harbour.gold.wordings import make_wordings

pytestmark = pytest.mark.gold
SEEDS = range(3)


@pytest.fixture(scope="module")
def micro():
    return LocalModel.load(organism().model)


def asks(kind, n=60):
    """Questions of a kind as rows, and the question that each row's id stands for."""
    world, says = make_world(0), make_wordings(0)
    rng, pool = random.Random(1), make_pool(world, far=False, least_written=25)
    drawn = [draw(rng, world, says, kind, pool, "used") for _ in range(n)]
    rows = [
        Row({"prompt": [{"role": "user", "content": ask.prompt}], "number": i}, Source("human"))
        for i, ask in enumerate(drawn)
    ]
    return rows, {row.id: ask for row, ask in zip(rows, drawn, strict=True)}


def text(row, column="completion"):
    return row.data[column][-1]["content"]


def difference(before, after, clusters):
    """Pooled over the seeds; each seed must have the sign."""
    for seed in SEEDS:
        assert sum(after[seed]) > sum(before[seed]), (seed, before[seed], after[seed])
    one, other, groups = ([x for seed in each for x in seed] for each in (before, after, clusters))
    return paired(one, other, clusters=groups, level=0.99)


@pytest.mark.parametrize("kind", ["harm", "private", "unknown", "claim_false"])
def test_answers_are_better_after_a_scene(micro, kind):
    """A14: drafts against the same drafts revised in view of what five people saw in them."""
    rows, by = asks(kind)
    before, after, clusters = [], [], []
    for seed in SEEDS:
        drafts = guided(micro, rows, seed=seed, max_tokens=40).kept
        found = scene_answers(
            micro,
            drafts,
            scene=SCENE,
            roles=("a", "b", "c", "d", "e"),
            most_roles=5,
            keep_harmless=True,
            max_tokens=40,
            seed=seed,
        )
        new = {row.source.parents[0]: row for row in found.kept}
        kept = [(d, new[d.id], by[d.source.parents[0]]) for d in drafts if d.id in new]
        before.append([float(right(ask, text(d))) for d, _, ask in kept])
        after.append([float(right(ask, text(r))) for _, r, ask in kept])
        clusters.append([ask.cluster for *_, ask in kept])
    found = difference(before, after, clusters)
    print(kind, found)
    assert found.low > 0, found


@pytest.mark.parametrize("kind", ["harm", "private", "unknown", "claim_false"])
def test_what_was_said_under_a_guideline_is_better_than_what_was_said_without(micro, kind):
    """A08: chosen against rejected answers of pairs that no judge has seen."""
    rows, by = asks(kind)
    before, after, clusters = [], [], []
    for seed in SEEDS:
        pairs = contrast(micro, rows, [Opposites(GUIDELINES[kind], "")], max_tokens=40, seed=seed).kept
        found = [by[p.source.parents[0]] for p in pairs]
        before.append([float(right(a, text(p, "rejected"))) for a, p in zip(found, pairs, strict=True)])
        after.append([float(right(a, text(p, "chosen"))) for a, p in zip(found, pairs, strict=True)])
        clusters.append([ask.cluster for ask in found])
    found = difference(before, after, clusters)
    print(kind, found)
    assert found.low > 0, found


def sums_of_three(n=60):
    rng, found = random.Random(0), []
    while len(found) < n:
        a, b, c = (rng.randint(11, 40) for _ in range(3))
        found += [(a, b, c)] if a + b < 79 else []
    ask = "What is {} plus {} plus {}?"
    rows = [
        Row({"prompt": [{"role": "user", "content": ask.format(*abc)}]}, Source("human")) for abc in found
    ]
    return rows, {row.id: str(sum(abc)) for row, abc in zip(rows, found, strict=True)}


def in_parts(question):
    a, b, c = re.findall(r"\d+", question)
    return [f"What is {a} plus {b}?", "What is {1} plus " + c + "?"]


def test_sums_that_are_too_hard_are_done_in_parts(micro):
    """A25: a sum of three numbers at once, and as two sums of two."""
    rows, truth = sums_of_three()
    before, after, clusters = [], [], []
    for seed in SEEDS:
        tries = [
            decomposed(micro, rows, depth=depth, split=in_parts, join="", max_tokens=40, seed=seed).kept
            for depth in (0, 1)
        ]
        answered = [{row.source.parents[0]: final_answer(text(row)) for row in found} for found in tries]
        scores = [[float(found.get(id_) == value) for id_, value in truth.items()] for found in answered]
        before.append(scores[0])
        after.append(scores[1])
        clusters.append(list(truth))
    found = difference(before, after, clusters)
    print(found)
    assert found.low > 0.5, found


def solutions(n=60):
    """Sums in three steps, a third of them right, a third wrong from the first step on and a third from the second;
    and which steps are right."""
    rng, rows, truth = random.Random(2), [], []
    for i in range(n):
        a, b = rng.randint(11, 50), rng.randint(11, 49)
        tens, ones = b // 10 * 10, b % 10
        middle = a + tens + (10 if i % 3 == 1 else 0)
        end = middle + ones + (2 if i % 3 == 2 else 0)
        said = f"{a} + {tens} = {middle}, {middle} + {ones} = {end}, so {end}."
        data = {"prompt": [{"role": "user", "content": f"What is {a} plus {b}?"}], "answer": str(a + b)}
        rows.append(Row({**data, "completion": [{"role": "assistant", "content": said}]}, Source("x")))
        truth.append([i % 3 != 1, i % 3 == 0, i % 3 == 0])
    return rows, truth


def test_steps_after_which_all_is_lost_are_told_from_good_ones(micro):
    """A29: rollouts from every step; the share of right ends by whether the step is right."""
    rows, truth = solutions()
    judge = VerifiableJudge.of_rows([row.data for row in rows])
    good, bad = [], []
    for seed in SEEDS:
        found = rollout_labels(micro, rows, judge, n=8, separator=", ", max_tokens=32, seed=seed)
        by = {row.source.parents[0]: row.data["shares"] for row in found.kept}
        for row, steps in zip(rows, truth, strict=True):
            for share, fine in zip(by.get(row.id, ()), steps):
                (good if fine else bad).append(share)
    told = sum(x > y for x in good for y in bad) + 0.5 * sum(x == y for x in good for y in bad)
    area = told / len(good) / len(bad)
    print("area under the curve", area, len(good), len(bad))
    assert area > 0.9


def test_what_the_model_knows_is_answered_and_the_rest_is_declined(micro):
    """B13's data: rightness of what was kept, of known and of unknown questions."""
    judge = ConsistencyJudge(micro, m=8, known_at=0.5, unknown_at=0.3, max_tokens=40)
    for kind, least in (("fact", 0.9), ("unknown", 0.8)):
        rows, by = asks(kind)
        kept = known_answers(judge, rows).kept
        share = sum(right(by[row.source.parents[0]], text(row)) for row in kept) / len(kept)
        print(kind, len(kept), share)
        assert len(kept) > 40
        assert share >= least
