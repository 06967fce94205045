"""A judge that fails its card trains nothing, unless the user insists."""

from __future__ import annotations

import random

import pytest

from truenorth.base import UserError
from truenorth.judges import RewardJudge
from truenorth.judges.reward import read_labels
from truenorth.models.local import LocalModel
from truenorth.recipes.trust import check_cards, measure_card, reward_card
from truenorth.records import Judgement
from truenorth.worlds.harbour import organism


@pytest.fixture(scope="module")
def labels():
    return [one for name in ("harmless", "helpful") for one in read_labels(organism().labels, principle=name)]


@pytest.fixture(scope="module")
def model():
    return LocalModel.load(organism().model)


def test_a_judge_fitted_on_the_labels_passes(model, labels):
    card = reward_card(RewardJudge.fit(model, labels), labels, "harmless")
    assert card["passed"] is True
    assert card["accuracy"].low > 0.5
    check_cards({"reward": card}, insist=False)


def test_a_judge_fitted_on_coin_tosses_is_refused(model, labels):
    rng = random.Random(0)
    tossed = [(prompt, text, float(rng.random() < 0.5)) for prompt, text, _ in labels]
    card = reward_card(RewardJudge.fit(model, tossed), tossed, "harmless")
    assert card["passed"] is False
    with pytest.raises(UserError, match=r"fails its card: .*--insist"):
        check_cards({"reward": card}, insist=False)
    check_cards({"reward": card}, insist=True)


def test_an_alignment_that_nothing_would_watch_is_refused_before_any_work(tmp_path):
    from truenorth.engine import Run
    from truenorth.recipes.align import align
    from truenorth.recipes.harbour import harbour_job
    from truenorth.recipes.settings import Settings
    from truenorth.worlds.harbour import organism

    job = harbour_job(organism(), Settings(held_prompts=0))
    with (
        Run.open(tmp_path / "run", config=job.config()) as run,
        pytest.raises(UserError, match="no prompt would watch"),
    ):
        align(job, run, quiet=True)
    assert not list((tmp_path / "run").glob("steps/*"))


class Says:
    """A judge of two answers that says 0.9 to one of them."""

    name = "says"

    def __init__(self, good: str):
        self.good = good

    def judge(self, groups):
        return [[Judgement(0.9 if t == self.good else 0.1, self.name) for t in g.completions] for g in groups]


def test_what_measures_is_held_against_labels_and_says_how_it_did():
    labels = [(f"Question {i}?", word, float(word == "yes")) for i in range(30) for word in ("yes", "no")]
    right, wrong = measure_card(Says("yes"), labels), measure_card(Says("no"), labels)
    assert (right["accuracy"].mean, wrong["accuracy"].mean, right["labels"]) == (1.0, 0.0, 60)
    assert "passes" in right["note"]
    assert "fails" in wrong["note"]
    check_cards({"says": {"role": "measures: calm", **wrong}}, insist=False)  # it trains nothing: no stop
