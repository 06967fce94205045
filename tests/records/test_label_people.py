"""People who do not read are found among people who do: by gold tasks, and by the others."""

from __future__ import annotations

import random

import pytest

from truenorth.records import Row, Source
from truenorth.records.label_consensus import consensus
from truenorth.records.label_people import people
from truenorth.records.labels import Annotations, Gold, Label, Task
from truenorth.stats import rate

ITEMS = [(f"task{i}", f"answer{i}") for i in range(60)]
TRUTH = {answer: i % 3 > 0 for i, (_, answer) in enumerate(ITEMS)}  # two thirds are good
GOLD = [Gold(task, "approve", TRUTH[answer], answer) for task, answer in ITEMS[:15]]


def crowd(seed: int) -> list[Label]:
    """Four who are right nine times of ten, one who guesses, one who always says good; labels take 8 or 1 s."""
    chance = random.Random(seed)
    ways = {f"reader {i}": lambda truth: truth if chance.random() < 0.9 else not truth for i in range(4)}
    ways["guesser"] = lambda truth: chance.random() < 0.5
    ways["yes-sayer"] = lambda truth: True
    return [
        Label(who, task, "approve", says(TRUTH[answer]), answer, seconds=8.0 if "reader" in who else 1.0)
        for who, says in ways.items()
        for task, answer in ITEMS
    ]


@pytest.mark.parametrize("known", [GOLD, []], ids=["with gold", "without"])
def test_careless_people_are_found_and_readers_are_not_blamed(known: list[Gold]):
    found, blamed = 0, 0
    for seed in range(20):
        remarks = {p.name: bool(p.remark) for p in people(crowd(seed), known)}
        found += remarks["guesser"] + remarks["yes-sayer"]
        blamed += sum(remarks[f"reader {i}"] for i in range(4))
    assert found >= 38  # of 40
    assert blamed <= 1  # of 80


def test_what_is_told_of_a_person_is_counted():
    """Of 15 gold tasks 5 are not good: somebody who always says good is right on 10."""
    told = {p.name: p for p in people(crowd(0), GOLD)}
    yes = told["yes-sayer"]
    assert (yes.labels, yes.seconds, yes.right.n, yes.right.mean) == (60, 1.0, 15, pytest.approx(10 / 15))
    assert told["reader 0"].skill is not None
    assert told["reader 0"].skill > 0.85 > 0.75 > told["guesser"].skill  # type: ignore[operator]
    assert "<- " in str(yes)
    assert "<- " not in str(told["reader 0"])


def test_a_ranking_is_right_where_it_has_the_known_pair_the_right_way_round():
    gold = [Gold("t", "rank", [["b"], ["a"]])]
    labels = [
        Label("ann", "t", "rank", [["c"], ["b"], ["a"]]),
        Label("bob", "t", "rank", [["a"], ["b", "c"]]),
        Label("cid", "t", "rank", [["a", "b", "c"]], principle="kind"),
    ]
    assert {p.name: p.right.mean for p in people(labels, gold)} == {"ann": 1.0, "bob": 0.0, "cid": 0.0}


def test_one_person_alone_is_compared_with_nobody():
    [alone] = people([Label("ann", "t", "approve", True, "a"), Label("ann", "t", "skip")])
    assert (alone.labels, alone.seconds, alone.right.n, alone.with_others, alone.skill) == (
        2,
        None,
        0,
        None,
        None,
    )
    assert str(alone) == "ann                      2 labels"


def with_rows(labels: list[Label]) -> Annotations:
    rows = {a: Row({"prompt": t, "completion": a}, Source("sample", model="m"), id=a) for t, a in ITEMS}
    return Annotations({t: Task(t, t, (a,)) for t, a in ITEMS}, rows, tuple(labels))


def test_the_consensus_is_nearer_the_truth_than_the_majority():
    """Three readers, right nine times of ten, against a guesser and somebody who says the opposite of the truth."""
    wrong = {"consensus": 0, "majority": 0}
    for seed in range(10):
        chance = random.Random(seed + 1000)  # not the stream that the crowd draws from
        opposite = [
            Label("opposite", t, "approve", not TRUTH[a] if chance.random() < 0.9 else TRUTH[a], a)
            for t, a in ITEMS
        ]
        labels = [
            x for x in crowd(seed) if x.annotator in ("reader 0", "reader 1", "reader 2", "guesser")
        ] + opposite
        rows = consensus(with_rows(labels))
        assert {row.data["votes"] for row in rows} == {5}
        for row in rows:
            share = sum(x.value for x in labels if x.answer == row.data["completion"]) / 5
            truth = TRUTH[row.data["completion"]]
            wrong["consensus"] += (row.data["label"] > 0.5) != truth
            wrong["majority"] += (share > 0.5) != truth
    assert wrong["consensus"] < wrong["majority"] / 2
    assert wrong["consensus"] < 0.1 * 600


def test_a_consensus_names_the_labels_that_it_is_made_of():
    labels = [
        Label("ann", "task0", "rate", 5, "answer0", principle="kind"),
        Label("bob", "task0", "rate", 2, "answer0", principle="kind"),
        Label("ann", "task1", "approve", True, "answer1"),
    ]
    rated, approved = consensus(with_rows(labels))
    assert (rated.data["label"], rated.data["votes"], rated.data["principle"]) == (
        0.625,
        2,
        "kind",
    )  # (1 + .25) / 2
    assert (rated.source.producer, len(rated.source.parents)) == ("people:mean", 2)
    assert (approved.data["label"], approved.data["votes"]) == (
        1.0,
        1,
    )  # one person's word: nothing to infer from


def test_the_pairs_of_one_known_ranking_are_no_evidence_of_their_own():
    """Two gold tasks of four answers: six pairs right and six wrong are two rankings, not twelve answers."""
    gold = [Gold(task, "rank", [["a"], ["b"], ["c"], ["d"]]) for task in ("t", "u")]
    labels = [
        Label("ann", "t", "rank", [["a"], ["b"], ["c"], ["d"]]),
        Label("ann", "u", "rank", [["d"], ["c"], ["b"], ["a"]]),
    ]
    right = people(labels, gold)[0].right
    assert (right.mean, right.n) == (0.5, 12)
    assert right.high - right.low > 0.9
    assert rate(6, 12).high - rate(6, 12).low < 0.5


def test_the_middle_of_one_ranking_counts_in_the_mean_of_several():
    """b is in the middle for ann (1/2) and first for bob (1): 3/4, and not bob's 1 alone."""
    rows = {a: Row({"prompt": "t", "completion": a}, Source("sample", model="m"), id=a) for a in "abc"}
    labels = (
        Label("ann", "t", "rank", [["a"], ["b"], ["c"]], id=1),
        Label("bob", "t", "rank", [["b"], ["a"], ["c"]], id=2),
        Label("cid", "t", "rank", [["c"], ["a"], ["b"]], id=3),
    )
    task = {"t": Task("t", "t", ("a", "b", "c"))}
    told = {
        r.data["completion"]: (r.data["label"], r.data["votes"])
        for r in consensus(Annotations(task, rows, labels[:2]))
    }
    assert told == {"a": (0.75, 2), "b": (0.75, 2), "c": (0.0, 2)}
    all_three = {r.data["completion"]: r.data["label"] for r in consensus(Annotations(task, rows, labels))}
    assert all_three == {
        "a": pytest.approx(2 / 3),
        "c": pytest.approx(1 / 3),
    }  # b: (1/2 + 1 + 0) / 3 says neither
