"""Pairs from comparisons, rankings, votes and strength: ties and duplicates make none, disagreement is kept."""

import pytest
from synth_script import Says

from truenorth.base import UserError
from truenorth.judges.logprob import Preference, preference
from truenorth.records import Judgement, Row, Source
from truenorth.synth.comparisons import pairs_from_comparisons, pairs_from_ranks
from truenorth.synth.pairs import best_from_judge, pairs_from_judge
from truenorth.synth.strength import Setup, answers_by_strength, below, pairs_from_strength
from truenorth.synth.votes import Vote, agreement, pairs_from_votes

PROMPT = Row({"prompt": "Why?"}, Source("human"))


def answer(text, prompt="Why?", **columns):
    source = Source("sample", model="m@1", parents=(PROMPT.id,))
    return Row({"prompt": prompt, "completion": text, **columns}, source)


A, B, C = (answer(text) for text in ("alpha is so", "beta is so", "gamma is so"))


class Comparing:
    """Shares looked up by (first, second)."""

    name = "compares"

    def __init__(self, shares):
        self.shares = shares

    def compare(self, prompts, a, b):
        return [self.shares.get((x, y)) or _turned(self.shares[y, x]) for x, y in zip(a, b)]


def _turned(p):
    flip = lambda x: None if x is None else 1 - x  # noqa: E731
    return Preference(flip(p.first), flip(p.in_order), flip(p.swapped), p.consistent)


def test_the_share_of_both_orders_is_kept_as_a_soft_label():
    judge = Comparing({("alpha is so", "beta is so"): preference(0.2, 0.9)})  # 0.2 and 0.1: 0.15
    [pair] = pairs_from_comparisons([A, B], judge).kept
    assert (pair.data["chosen"], pair.data["rejected"]) == ("beta is so", "alpha is so")
    assert pair.data["win_rate"] == pytest.approx([0.85, 0.15])
    assert pair.source.parents == (B.id, A.id)
    assert pair.source.judge == "compares"


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (preference(0.9, 0.9), "orders disagree"),
        (preference(None, 0.9), "no verdict"),
        (preference(0.5, 0.5), "tie"),
        (preference(0.55, 0.45), "tie"),
    ],
)
def test_comparisons_that_say_nothing_make_no_pair(found, reason):
    judge = Comparing({("alpha is so", "beta is so"): found})
    assert pairs_from_comparisons([A, B], judge, margin=0.1).dropped == {reason: 1}


def test_equal_answers_are_not_compared_and_one_answer_has_no_other():
    again = answer("Alpha is so!")
    assert pairs_from_comparisons([A, again], Comparing({})).dropped == {"same": 1}
    assert pairs_from_comparisons([A], Comparing({})).dropped == {"one answer": 1}
    assert pairs_from_comparisons([], Comparing({})) == ([], {})


def test_neighbours_of_the_merged_ranking_make_pairs_with_their_share_of_ballots():
    a, b, c = A.id, B.id, C.id
    pairs = pairs_from_ranks([C, A, B], [[a, b, c], [a, c, b], [b, a, c]]).kept
    # a over b 2:1, a over c 3:0, b over c 2:1: the order is a, b, c
    assert [(p.data["chosen"], p.data["rejected"]) for p in pairs] == [
        ("alpha is so", "beta is so"),
        ("beta is so", "gamma is so"),
    ]
    assert pairs[0].data["win_rate"] == pytest.approx([2 / 3, 1 / 3])
    assert pairs[0].source.family == "people"
    back = pairs_from_ranks([A, B, C], [[c, b, a], [b, c, a], [c, a, b]]).kept  # every ballot reversed
    assert [(p.data["rejected"], p.data["chosen"]) for p in back][::-1] == [
        (p.data["chosen"], p.data["rejected"]) for p in pairs
    ]


def test_ballots_that_cancel_out_and_answers_without_a_ballot_make_no_pair():
    assert pairs_from_ranks([A, B], [[A.id, B.id], [B.id, A.id]]).dropped == {"tie": 1}
    assert pairs_from_ranks([A, B], []).dropped == {"not ranked": 2}
    with pytest.raises(UserError, match="no row's id"):
        pairs_from_ranks([A, B], [[A.id, "elsewhere"]])


def test_votes_count_in_whichever_order_the_answers_were_seen():
    votes = [Vote(A, B, "p", "a"), Vote(B, A, "q", "b"), Vote(A, B, "r", "b"), Vote(A, B, "s", "tie")]
    [pair] = pairs_from_votes(votes).kept
    assert (pair.data["chosen"], pair.data["win_rate"]) == ("alpha is so", [0.625, 0.375])  # 2.5 of 4
    assert pairs_from_votes(votes, margin=0.2).dropped == {"tie": 1}
    assert pairs_from_votes(votes, least=5).dropped == {"few votes": 1}
    assert pairs_from_votes(votes[::-1]).kept[0].data == pair.data
    with pytest.raises(UserError, match="a vote for 'c'"):
        pairs_from_votes([Vote(A, B, "p", "c")])


def crowd():
    """Twenty items; three careful annotators, and two who always say a: they outvote nobody who is careful."""
    rows = [(answer(f"good {i}", f"q{i}"), answer(f"bad {i}", f"q{i}")) for i in range(20)]
    votes = []
    for i, (good, bad) in enumerate(rows):
        a, b = (good, bad) if i % 2 else (bad, good)
        right = "a" if i % 2 else "b"
        votes += [Vote(a, b, who, right) for who in ("p", "q")]
        votes += [Vote(a, b, who, "a") for who in ("x", "y")]
    return votes


def test_dawid_and_skene_find_the_careless_where_a_count_of_votes_is_a_tie():
    votes = crowd()
    assert pairs_from_votes(votes).dropped == {"tie": 10}
    weighed = pairs_from_votes(votes, merge="dawid-skene").kept
    assert len(weighed) == 20
    assert all(p.data["chosen"].startswith("good") for p in weighed)
    assert agreement(votes).mean < 0.5
    assert agreement([v for v in votes if v.annotator in "pq"]).mean == 1.0


def test_a_chain_orders_its_setups_and_a_cycle_is_named():
    assert below([["a", "b", "c"], ["a", "d"]])["a"] == {"b", "c", "d"}
    assert below([["b", "c"], ["a", "b"]])["a"] == {"b", "c"}
    assert below([["a", "b"], ["c", "b"]])["a"] == {"b"}  # a and c stay uncompared
    with pytest.raises(UserError, match="a, b stand above themselves"):
        below([["a", "b"], ["b", "a"], ["b", "c"]])


def strong_and_weak():
    large = Says(lambda text, i: "It is the wind from the sea.", name="large")
    small = Says(lambda text, i: "Wind.", name="small")
    return answers_by_strength([Setup("large", large), Setup("small", small)], [PROMPT])


def test_the_stronger_setup_is_chosen_without_a_judge():
    found = strong_and_weak()
    [pair] = pairs_from_strength(found.kept, [["large", "small"]]).kept
    assert pair.data["chosen"] == "It is the wind from the sea."
    assert pair.source.note == "large above small"
    assert set(pair.source.parents) == {row.id for row in found.kept}


class Lengths:
    """Scores by length in words; silent on one-word answers if asked to be."""

    name = "lengths"

    def __init__(self, sign=1.0, silent=False):
        self.sign, self.silent = sign, silent

    def judge(self, groups):
        return [[self._one(text) for text in g.completions] for g in groups]

    def _one(self, text):
        count = len(text.split())
        return Judgement(None if self.silent and count == 1 else self.sign * count, self.name)


def test_a_reward_model_keeps_only_pairs_it_agrees_with():
    rows = strong_and_weak().kept
    order = [["large", "small"]]
    assert len(pairs_from_strength(rows, order, judge=Lengths()).kept) == 1
    assert pairs_from_strength(rows, order, judge=Lengths(-1.0)).dropped == {"judge disagrees": 1}
    assert pairs_from_strength(rows, order, judge=Lengths(silent=True)).dropped == {"no verdict": 1}


def test_form_and_lengths_filter_pairs_of_strength():
    rows = strong_and_weak().kept
    order = [["large", "small"]]
    assert pairs_from_strength(rows, order, openings=["it is"]).dropped == {"opening": 1}
    assert pairs_from_strength(rows, order, ratio=3).dropped == {"lengths differ": 1}
    assert pairs_from_strength(rows[:1], order).dropped == {"one answer": 1}
    with pytest.raises(UserError, match="no place for setup 'large'"):
        pairs_from_strength(rows, [["small"]])
    with pytest.raises(UserError, match="two setups of one name"):
        answers_by_strength([Setup("a", Says(str)), Setup("a", Says(str))], [PROMPT])


def test_answers_in_any_order_are_judged_by_prompt():
    rows = [answer("one two"), answer("x", "How?"), answer("one"), answer("x y z", "How?")]
    pairs = pairs_from_judge(rows, Lengths()).kept
    assert [(p.data["prompt"], p.data["chosen"], p.data["rejected"]) for p in pairs] == [
        ("Why?", "one two", "one"),
        ("How?", "x y z", "x"),
    ]
    assert pairs[0].source.parents == (rows[0].id, rows[2].id)
    best = best_from_judge(rows, Lengths(), at_least=3)
    assert ([r.data["completion"] for r in best.kept], best.dropped) == (["x y z"], {"too low": 1})
    assert pairs_from_judge([], Lengths()) == ([], {})


def test_length_matched_negatives_are_the_nearest_that_are_worse():
    rows = [answer(" ".join(["w"] * n) + f" {n}") for n in (9, 8, 1)]

    class Fixed(Lengths):
        def _one(self, text):
            return Judgement({"9": 1.0, "8": 0.5, "1": 0.0}[text.split()[-1]], self.name)

    [pair] = pairs_from_judge(rows, Fixed()).kept
    assert pair.data["rejected"] == "w 1"
    [near] = pairs_from_judge(rows, Fixed(), near_length=1.5).kept
    assert near.data["rejected"].endswith("8")  # 10 words and 9
    assert pairs_from_judge(rows, Fixed(), near_length=1.05).dropped == {"lengths differ": 1}
    with pytest.raises(UserError, match=r"near_length 0\.5"):
        pairs_from_judge(rows, Fixed(), near_length=0.5)
