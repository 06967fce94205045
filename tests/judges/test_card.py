"""A judge's card: agreement and biases with hand-made judges whose faults are known."""

import math
import random

import pytest

from truenorth.base import UserError
from truenorth.judges.card import card, card_of_scores, passes, verbosity
from truenorth.judges.logprob import preference
from truenorth.records import Judgement

PROMPTS = [f"Question {i}?" for i in range(20)]
LABELS = [(p, f"good {i} answer", 1.0) for i, p in enumerate(PROMPTS)]
LABELS += [(p, f"bad {i} answer", 0.0) for i, p in enumerate(PROMPTS)]


class By:
    """Judges by a function of the answer."""

    name = "by"

    def __init__(self, function):
        self.function = function

    def judge(self, groups):
        return [[Judgement(self.function(c), self.name) for c in g.completions] for g in groups]


def test_a_perfect_judge_passes():
    made = card(By(lambda c: float("good" in c)), LABELS)
    assert (made["accuracy"]["mean"], made["kappa"]["mean"], made["auc"], made["ece"]) == (1.0, 1.0, 1.0, 0.0)
    assert (made["sensitivity"]["mean"], made["specificity"]["mean"]) == (1.0, 1.0)
    assert made["repeatability"]["mean"] == 1.0
    assert passes(made).ok


def test_accuracy_and_kappa_are_those_of_the_confusion_table():
    # Of 20 good 15 are called good, of 20 bad 10. Accuracy 25/40; chance 0.5 * 25/40 + 0.5 * 15/40 = 0.5.
    def says(c):
        number = int(c.split()[1])
        return float(number < 15 if c.startswith("good") else number < 10)

    made = card(By(says), LABELS)
    assert made["accuracy"]["mean"] == 25 / 40
    assert made["kappa"]["mean"] == pytest.approx((25 / 40 - 0.5) / 0.5)
    assert (made["sensitivity"]["mean"], made["specificity"]["mean"]) == (0.75, 0.5)


@pytest.mark.parametrize(("value", "said"), [(1.0, "good"), (0.0, "bad"), (0.4, "bad")])
def test_a_judge_that_always_says_the_same_is_refused(value, said):
    verdict = passes(card(By(lambda c: value), LABELS))
    assert verdict == (False, f"it calls all 40 answers {said}")


def test_a_judge_that_says_nothing_is_refused():
    made = card(By(lambda c: None), LABELS)
    assert (made["abstained"], made["accuracy"]["n"]) == (40, 0)
    assert passes(made) == (False, "it gave no verdict on any label")
    mostly = passes(card(By(lambda c: 1.0 if c.startswith("good 1 ") else None), LABELS))
    assert mostly == (False, "it gave no verdict on 39 of 40 labels")


def test_a_judge_that_guesses_is_refused():
    made = card(By(lambda c: float(random.Random(c).random() < 0.5)), LABELS)
    verdict = passes(made)
    assert not verdict.ok
    assert "it agrees too little with people: kappa" in verdict.reason


def test_a_judge_that_contradicts_itself_is_refused():
    times = {}

    def fickle(c):
        times[c] = times.get(c, 0) + 1
        return float("good" in c) if times[c] == 1 else 0.5

    verdict = passes(card(By(fickle), LABELS))
    assert verdict == (False, "asked twice it repeats itself on 0% only")


def test_abstentions_are_counted_apart_and_not_as_errors():
    made = card(By(lambda c: None if c.endswith("3 answer") else float("good" in c)), LABELS)
    assert made["abstained"] == 4  # 3 and 13, good and bad
    assert made["accuracy"]["mean"] == 1.0
    assert made["accuracy"]["abstained"] == 4


def test_a_judge_that_likes_length_shows_it_within_equal_worth():
    labels = [(f"q{i}", "word " * (1 + i % 10), float(i < 20)) for i in range(40)]
    liking = card_of_scores("j", [len(a) / 100 for _, a, _ in labels], labels)
    fair = card_of_scores("j", [s for _, _, s in labels], labels)
    assert liking["verbosity"]["mean"] == pytest.approx(1.0)
    assert liking["verbosity"]["low"] > 0.9
    assert (liking["said_good"], fair["accuracy"]["mean"]) == (0.0, 1.0)
    assert math.isnan(fair["verbosity"]["mean"])  # nothing varies among answers of equal worth


def test_verbosity_does_not_blame_a_judge_for_good_answers_being_longer():
    import numpy as np

    good = np.array([True] * 10 + [False] * 10)
    lengths = list(range(20, 30)) + list(range(10))
    scores = np.where(good, 0.9, 0.1) + np.tile([0.01, -0.01], 10)
    assert abs(verbosity(scores, good, lengths).mean) < 0.2


class Comparing(By):
    """Compares by a function of (shown first, shown second)."""

    def __init__(self, prefers):
        super().__init__(lambda c: float("good" in c))
        self.prefers = prefers

    def compare(self, prompts, a, b):
        return [preference(self.prefers(x, y), self.prefers(y, x)) for x, y in zip(a, b, strict=True)]


def test_an_order_that_is_exactly_undecided_prefers_no_place():
    """Undecided where the good answer is first, the first place (0.9) where the bad one is: one order counts a pair."""
    made = card(
        Comparing(lambda x, y: 0.5 if "good" in x else 0.9),
        LABELS,
        comparer=Comparing(lambda x, y: 0.5 if "good" in x else 0.9),
    )
    assert made["position"]["prefers_first"]["n"] == made["position"]["pairs"] == 20
    assert made["position"]["prefers_first"]["mean"] == 1.0


def test_a_judge_swayed_by_place_is_refused():
    first = Comparing(lambda x, y: 0.9)
    made = card(first, LABELS, comparer=first)
    assert made["position"]["consistent"]["mean"] == 0.0
    assert made["position"]["prefers_first"]["mean"] == 1.0
    assert passes(made) == (False, "with the answers exchanged it stays with 0% only")


def test_a_judge_that_compares_well_shows_it():
    fair = Comparing(lambda x, y: 0.9 if "good" in x else 0.1)
    made = card(fair, LABELS, comparer=fair)
    assert made["position"]["pairs"] == 20
    assert [made["position"][k]["mean"] for k in ("consistent", "prefers_first", "accuracy")] == [
        1.0,
        0.5,
        1.0,
    ]
    assert passes(made).ok


def test_without_labels_there_is_no_card():
    with pytest.raises(UserError, match="no labels"):
        card(By(lambda c: 1.0), [])
