"""Evaluating and comparing: nothing that failed is a score, pairs stay pairs, seeds do not make items."""

from __future__ import annotations

import pytest

from truenorth.base import UserError
from truenorth.measure import Item, Scores, capabilities, compare, evaluate, pool
from truenorth.models import ScriptedModel
from truenorth.records import Completion, Judgement
from truenorth.stats import holm, kept, mcnemar, mean, paired


class LengthJudge:
    """1 for an answer of more than one word; no answer to an answer that says "?"."""

    name = "length"

    def __init__(self):
        self.seen = []

    def judge(self, groups):
        self.seen += [text for group in groups for text in group.completions]
        return [
            [
                Judgement(None, self.name, reason="unclear")
                if "?" in text
                else Judgement(float(" " in text), self.name)
                for text in group.completions
            ]
            for group in groups
        ]


class Broken(ScriptedModel):
    """Fails on every second sample of prompts that contain "bad"."""

    def sample(self, prompts, n=1, **settings):
        good = super().sample(prompts, n, **settings)
        failed = Completion("", finish="error", error="timed out")
        return [
            [failed if "bad" in prompt and i % 2 else c for i, c in enumerate(group)]
            for prompt, group in zip(prompts, good)
        ]


ITEMS = [Item(f"i{k}", f"question {k}", "brief" if k % 2 else "long", f"entity {k // 4}") for k in range(16)]


def says(text, name="m"):
    return ScriptedModel(lambda prompt, i: text if isinstance(text, str) else text(prompt, i), name=name)


def test_answers_keep_the_order_of_the_items_and_their_samples():
    scores = evaluate(says(lambda p, i: f"{p} {i}"), ITEMS, LengthJudge(), n=3, seed=5)
    assert [a.key for a in scores.answers] == [(f"i{k}", 5, i) for k in range(16) for i in range(3)]
    assert [a.completion.text for a in scores.answers[:4]] == [
        "question 0 0",
        "question 0 1",
        "question 0 2",
        "question 1 0",
    ]
    assert scores.principles == ("long", "brief")


def test_an_answer_that_never_came_is_not_judged_and_not_scored():
    judge = LengthJudge()
    items = [Item("a", "bad one"), Item("b", "good one")]
    scores = evaluate(Broken(lambda p, i: f"{p} {i}"), items, judge, n=4)
    assert [a.score for a in scores.answers] == [1.0, None, 1.0, None, 1.0, 1.0, 1.0, 1.0]
    assert scores.answers[1].reason == "no answer: timed out"
    assert len(judge.seen) == 6
    assert (scores.estimate().n, scores.estimate().abstained) == (6, 2)


def test_a_judge_that_gives_no_answer_is_counted_and_is_no_score():
    scores = evaluate(says(lambda p, i: "?" if p.endswith("0") else "a b"), ITEMS, LengthJudge())
    found = scores.estimate()
    assert (found.mean, found.n, found.abstained) == (1.0, 14, 2)


def test_a_judge_that_never_answers_leaves_the_score_unknown():
    found = evaluate(says("?"), ITEMS, LengthJudge()).estimate()
    assert found.mean != found.mean
    assert (found.n, found.abstained) == (0, 16)


def test_estimates_are_clustered_by_what_the_items_share():
    scores = evaluate(says(lambda p, i: "a b" if i % 2 else "a"), ITEMS, LengthJudge(), n=2)
    expected = mean([0.0, 1.0] * 16, clusters=[item.cluster for item in ITEMS for _ in range(2)])
    assert scores.estimate() == expected
    assert scores.estimates()["brief"].n == 16


def test_items_without_a_cluster_still_hold_their_samples_together():
    items = [Item(str(k), f"q {k}") for k in range(10)]
    once = evaluate(says(lambda p, i: "a b" if p < "q 5" else "a"), items, LengthJudge()).estimate()
    often = evaluate(says(lambda p, i: "a b" if p < "q 5" else "a"), items, LengthJudge(), n=20).estimate()
    assert often.n == 200
    assert often.high - often.low >= once.high - once.low


def test_each_principle_may_have_its_own_judge():
    class Never(LengthJudge):
        name = "never"

        def judge(self, groups):
            return [[Judgement(0.0, self.name) for _ in g.completions] for g in groups]

    scores = evaluate(says("a b"), ITEMS, {"long": LengthJudge(), "brief": Never()})
    assert {name: e.mean for name, e in scores.estimates().items()} == {"long": 1.0, "brief": 0.0}
    with pytest.raises(UserError, match="no judge for brief; expected one of long"):
        evaluate(says("a b"), ITEMS, {"long": LengthJudge()})


def test_a_composite_counts_with_its_part_for_the_principle():
    class Composite:
        name = "constitution"

        def judge(self, groups):
            parts = (Judgement(0.25, "c", "brief"), Judgement(0.75, "c", "long"))
            return [[Judgement(0.0, self.name, "brief", parts=parts) for _ in g.completions] for g in groups]

    found = evaluate(says("x"), [*ITEMS, Item("other", "p", "other")], Composite()).estimates()
    assert {name: e.mean for name, e in found.items()} == {"long": 0.75, "brief": 0.25, "other": 0.0}


def test_empty_evaluations_and_repeated_ids_are_refused():
    with pytest.raises(UserError, match="no items"):
        evaluate(says("x"), [], LengthJudge())
    with pytest.raises(UserError, match="'i1' is used twice"):
        evaluate(says("x"), [*ITEMS, ITEMS[1]], LengthJudge())


def test_answers_become_rows_that_know_where_they_came_from():
    scores = evaluate(says("a b", name="tiny@1"), ITEMS[:1], LengthJudge(), seed=3)
    (row,) = scores.rows(constitution="policy@1#abc")
    assert row.data["score"] == 1.0
    source = row.source
    assert (source.model, source.judge, source.principle) == ("tiny@1", "length", "long")
    assert (source.seed, source.parents, source.constitution) == (3, ("i0",), "policy@1#abc")


def single(outcomes, name="m"):
    """Scores of items i0, i1, ... with these outcomes, each item on its own."""
    items = [Item(f"i{k}", f"q{k}", "p") for k in range(len(outcomes))]
    return evaluate(
        says(lambda q, i: {0: "a", 1: "a b", None: "?"}[outcomes[int(q[1:])]], name), items, LengthJudge()
    )


def test_comparing_is_paired_and_exact():
    base, aligned = single([0] * 8 + [1] * 2 + [1] * 10), single([1] * 8 + [0] * 2 + [1] * 10)
    found = compare(base, aligned)["p"]
    assert (found.base.mean, found.aligned.mean) == (0.6, 0.9)
    assert found.paired.difference == pytest.approx(0.3)
    assert found.paired.p == pytest.approx(0.109375)
    assert found.to_dict()["paired"]["p_holm"] == pytest.approx(0.109375)


def test_pairs_with_a_missing_score_are_dropped_and_counted():
    found = compare(single([0, 1, None, 0]), single([1, None, 1, 1]))["p"]
    assert (found.paired.n, found.dropped) == (2, 2)
    assert found.paired.difference == 1.0
    assert (found.base.n, found.base.abstained, found.aligned.n) == (3, 1, 3)


def test_holm_is_over_the_principles():
    def scores(flags):
        items = [Item(f"{p}{k}", f"{p}{k}", p) for p in flags for k in range(10)]
        return evaluate(says(lambda q, i: "a b" if int(q[1:]) < flags[q[0]] else "a"), items, LengthJudge())

    found = compare(scores({"x": 0, "y": 0, "z": 0}), scores({"x": 9, "y": 5, "z": 1}))
    raw = [mcnemar(9, 0), mcnemar(5, 0), mcnemar(1, 0)]
    assert [c.paired.p for c in found.values()] == pytest.approx(raw)
    assert [c.p_holm for c in found.values()] == pytest.approx(holm(raw))


def test_the_level_asked_for_is_that_of_every_interval():
    before, after = [0.0] * 8 + [1.0] * 12, [1.0] * 8 + [0.0] * 2 + [1.0] * 10
    found = compare(single(before), single(after), level=0.99)["p"]
    assert (found.base, found.aligned) == (mean(before, level=0.99), mean(after, level=0.99))
    assert found.paired == paired(before, after, level=0.99)
    assert found.base.high > mean(before).high


def test_other_items_are_refused():
    with pytest.raises(UserError, match=r"1 answers of a only, 0 of b; expected the same items"):
        compare(single([0, 1, 1], "a"), single([0, 1], "b"))


def test_seeds_are_pooled_as_more_answers_to_the_same_items():
    def run(seed, worse):
        model = says(lambda q, i: "a" if int(q[1:]) < worse else "a b")
        return evaluate(model, [Item(f"i{k}", f"q{k}", "p") for k in range(20)], LengthJudge(), seed=seed)

    seeds = range(3)
    base, aligned = pool([run(s, 10) for s in seeds]), pool([run(s, 4) for s in seeds])
    one, three = compare(run(0, 10), run(0, 4))["p"].paired, compare(base, aligned)["p"].paired
    assert three.n == 60
    assert three.difference == pytest.approx(one.difference)
    assert three.high - three.low >= one.high - one.low  # the same items again say nothing new
    expected = paired([0.0] * 6 + [0.0] * 4 + [1.0] * 10, [1.0] * 6 + [0.0] * 4 + [1.0] * 10)
    assert one.difference == pytest.approx(expected.difference)
    with pytest.raises(UserError, match="the same item, seed and sample twice"):
        pool([run(0, 1), run(0, 1)])


def test_capabilities_are_kept_lost_or_not_to_be_told():
    def verdict(n, lost):
        found = capabilities(compare(single([1] * n), single([0] * lost + [1] * (n - lost))))["p"]
        return found.verdict

    assert verdict(400, 0) == "yes"
    assert verdict(400, 60) == "no"
    assert verdict(40, 1) == "cannot tell"
    found = capabilities(compare(single([1] * 40), single([1] * 40)))["p"]
    assert str(found).startswith("kept within 2 points: cannot tell, need ")
    assert found.more > 40
    pair = compare(single([1] * 40), single([1] * 39 + [0]))
    assert capabilities(pair, margin=0.5)["p"].verdict == "yes"
    assert (
        capabilities(pair, power=0.95)["p"] == kept(pair["p"].paired, power=0.95) != capabilities(pair)["p"]
    )


def test_scores_of_a_principle_that_nobody_measured_are_empty():
    assert Scores("m", ()).estimates() == {}
    assert single([1]).of("other").estimate().n == 0
