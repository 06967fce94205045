"""A judge that fails its card trains nothing, unless the user insists."""

from __future__ import annotations

import random

import pytest

from truenorth.base import UserError
from truenorth.judges import RewardJudge
from truenorth.judges.reward import read_labels
from truenorth.models.local import LocalModel
from truenorth.recipes.trust import check_cards, reward_card
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
