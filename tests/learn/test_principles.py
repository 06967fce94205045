"""Principle-conditioned labels: by pencil, by symmetry, and a reward model that turns when a principle is negated."""

from __future__ import annotations

import math

import numpy as np
import pytest

from truenorth.base import UserError
from truenorth.judges.logprob import preference
from truenorth.learn.principles import (
    Principle,
    PrincipledJudge,
    conditioned,
    principle_scores,
    scaled,
    shown_chances,
    with_principles,
)
from truenorth.learn.reward import fit_reward
from truenorth.records import Group

SHORT = Principle("Prefer a short answer.", "Prefer a long answer.")
SURE = Principle("Prefer a sure answer.", "Prefer a doubtful answer.")
PLAIN = {"passes": 1, "negated": 0.0, "noise": 0.0}


class Scripted:
    """Says these shares of each pair: as asked, and with the answers exchanged."""

    def __init__(self, *shares: tuple[float | None, float | None]):
        self.shares = shares

    def compare(self, prompts, a, b):
        return [preference(*share) for share in self.shares]


def rows(count: int) -> list[dict]:
    return [
        {"prompt": f"Question {i}?", "answers": ("Yes.", "I am not so sure of it.")} for i in range(count)
    ]


def test_scores_are_mean_logits_over_the_variance_where_both_orders_agree():
    """Logits log 4 and log 2 for the first answer: mean 1.5 log 2. The orders of the second disagree, the third has
    no verdict: 0. The variance of (x, 0, 0) is 2/9 x^2."""
    judge = Scripted((4 / 5, 1 / 3), (4 / 5, 3 / 5), (None, 1 / 3))
    x = 1.5 * math.log(2)
    found = principle_scores([judge], rows(3))
    np.testing.assert_allclose(found, [[x / (2 / 9 * x**2), 0, 0]], rtol=1e-6)


def test_a_principle_that_never_varies_is_left_as_it_is():
    np.testing.assert_array_equal(scaled(np.array([[2.0, 2.0], [0.0, 4.0]])), [[2.0, 2.0], [0.0, 1.0]])


def test_how_many_are_shown_is_the_truncated_geometric_of_the_paper():
    want = [0.2403, 0.1923, 0.1538, 0.1230, 0.0984, 0.0787, 0.0630, 0.0504]
    found = shown_chances(0.2, 8)
    np.testing.assert_allclose(found, want, atol=1e-4)
    assert float(found @ np.arange(1, 9)) == pytest.approx(3.387, abs=1e-3)


def test_one_principle_that_is_not_negated_labels_as_its_judge_says():
    made = conditioned(rows(3), [SHORT], np.array([[1.0, -2.0, 0.0]]), **PLAIN)
    assert [row["chosen"] for row in made] == ["Yes.", "I am not so sure of it."]  # the third has no score
    assert all(SHORT.definition in row["prompt"] for row in made)


def test_negating_every_principle_flips_every_label():
    scores = np.random.default_rng(0).standard_normal((2, 40))
    one, two = (
        conditioned(rows(40), [SHORT, SURE], scores, **(PLAIN | {"negated": share})) for share in (0.0, 1.0)
    )
    assert [r["chosen"] for r in one] == [r["rejected"] for r in two]
    assert all("long" in r["prompt"] or "doubtful" in r["prompt"] for r in two)


def test_exchanging_the_answers_exchanges_the_label():
    scores = np.random.default_rng(0).standard_normal((2, 40))
    other = [{**row, "answers": row["answers"][::-1]} for row in rows(40)]
    one, two = (
        conditioned(given, [SHORT, SURE], sign * scores, seed=3)
        for given, sign in ((rows(40), 1), (other, -1))
    )
    flipped = [a["chosen"] != b["chosen"] for a, b in zip(one, two, strict=True)]
    assert not any(flipped)  # the same answer wins, wherever it stood


def test_the_largest_score_decides_and_noise_flips_its_share():
    made = conditioned(
        rows(50), [SHORT, SURE], np.array([[3.0] * 50, [-1.0] * 50]), passes=40, negated=0.0, seed=1
    )
    both = [row for row in made if SURE.definition in row["prompt"] and SHORT.definition in row["prompt"]]
    assert {row["decided_by"] for row in both} == {SHORT.definition}
    flipped = np.mean([row["chosen"] != "Yes." for row in both])
    assert flipped == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / len(both)))


def test_scores_of_another_shape_are_refused():
    with pytest.raises(UserError, match="principles and rows"):
        conditioned(rows(3), [SHORT], np.zeros((2, 3)))


def test_principles_stand_before_the_last_user_turn():
    made = with_principles([{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}], ["P"])
    assert made[0]["content"] == "S"
    assert made[1]["content"].index("- P") < made[1]["content"].index("Q")


def test_a_reward_model_turns_when_its_principle_is_negated(tiny_llama):
    """Trained on short against long under either wording; asked on questions it has not seen."""
    scores = np.ones((1, 8))  # the short answer is the first
    made = conditioned(rows(8), [SHORT], scores, passes=4, noise=0.0, seed=0)
    reward = fit_reward(tiny_llama(seed=1), made, steps=40, lr=3e-3, batch=8, schedule="constant")
    unseen = [Group(f"Question {i}?", ("Yes.", "I am not so sure of it.")) for i in range(20, 24)]
    for text, sign in ((SHORT.definition, 1), (SHORT.negative, -1)):
        judge = PrincipledJudge(reward, (text,))
        assert all(sign * (a.score - b.score) > 0 for a, b in judge.judge(unseen))
