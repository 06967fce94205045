"""Claims: raised, lowered, not moved, or cannot be told; by the sign in each seed and a pooled 99 % interval."""

from __future__ import annotations

import math

import pytest

from truenorth.base import UserError
from truenorth.gallery.claims import LEVEL, Claim, Question, claim, more_questions
from truenorth.stats import Paired, needed_n_mean, paired


def asked(gained: int, lost: int, same: int) -> list[Question]:
    """Questions about an entity each: some gained, some lost, the others answered alike."""
    scores = [(0.0, 1.0)] * gained + [(1.0, 0.0)] * lost + [(1.0, 1.0)] * same
    return [Question(before, after, f"e{i}") for i, (before, after) in enumerate(scores)]


def test_the_same_sign_in_each_of_three_seeds_and_a_pooled_interval_above_zero_is_a_proof():
    found = claim([asked(40, 5, 55), asked(35, 5, 60), asked(30, 5, 65)])
    assert found.verdict == "raised"
    assert found.seeds == pytest.approx((0.35, 0.30, 0.25))
    assert found.pooled.difference == pytest.approx(0.30)
    assert found.pooled.low > 0


def test_turned_round_it_is_lowered():
    seeds = [asked(5, 40, 55), asked(5, 35, 60), asked(5, 30, 65)]
    assert claim(seeds).verdict == "lowered"


def test_one_or_two_seeds_prove_nothing():
    assert claim([asked(90, 0, 10)]).verdict == "cannot tell"
    assert claim([asked(90, 0, 10)] * 2) == claim([asked(90, 0, 10)] * 2)._replace(more=0)
    assert claim([asked(90, 0, 10)] * 3).verdict == "raised"


def test_a_seed_of_the_other_sign_spoils_the_proof_and_more_questions_would_not_mend_it():
    found = claim([asked(60, 5, 35), asked(60, 5, 35), asked(4, 5, 91)])
    assert found.pooled.low > 0
    assert found.verdict == "cannot tell"
    assert found.more == 0


def test_an_interval_within_two_points_is_a_score_that_did_not_move():
    """One of 2,000 questions gained and one lost: 99 % is about +- 2.58 * sqrt(2 / 2000) / sqrt(2000) = 0.2 points."""
    found = claim([asked(1, 1, 1998)] * 3)
    assert found.verdict == "unmoved"
    assert found.pooled.high < 0.02


def test_the_pooled_interval_is_that_of_99_percent_with_an_entity_one_cluster_in_all_seeds():
    seeds = [asked(20, 10, 30), asked(18, 12, 30), asked(15, 11, 34)]
    rows = [row for seed in seeds for row in seed]
    expected = paired(*([r[k] for r in rows] for k in (0, 1)), clusters=[r.cluster for r in rows], level=0.99)
    assert claim(seeds).pooled == expected
    alone = paired(*([r[k] for r in rows] for k in (0, 1)), level=0.99)
    assert expected.high - expected.low > 1.2 * (alone.high - alone.low)


def test_further_questions_are_those_of_the_textbook_formula_for_the_nearer_of_two_ends():
    """Seen: 1 point, half-width 3 at n = 900: sd = 0.03 / 2.576 * 30; both ends are a point away."""
    pooled = Paired(0.01, -0.02, 0.04, 0.4, 900, "")
    sd = 0.03 / 2.5758293 * 30
    planned = ((2.5758293 + 0.8416212) * sd / 0.01) ** 2
    assert more_questions(pooled, 3) == pytest.approx((planned - 900) / 3, abs=1)
    assert needed_n_mean(0.01, sd=sd, level=LEVEL) == math.ceil(planned)
    assert more_questions(pooled._replace(difference=0.019), 3) < more_questions(pooled, 3)


def test_an_open_claim_says_how_many_more_questions_would_close_it():
    found = claim([asked(12, 10, 78)] * 3)
    assert isinstance(found, Claim)
    assert found.verdict == "cannot tell"
    assert found.more > 100


def test_nothing_asked_is_no_claim():
    with pytest.raises(UserError, match="no answers"):
        claim([])
    with pytest.raises(UserError, match="no answers"):
        claim([asked(1, 0, 0), []])
