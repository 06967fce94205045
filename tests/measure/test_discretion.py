"""Discretion: the identities of its definitions, pencil examples, and annotators whose priorities are planted."""

from __future__ import annotations

import numpy as np
import pytest

from truenorth.base import UserError
from truenorth.measure import discrepancy, discretion

PAIRS = {  # five pairs: consensus for the first, for the second; conflict; conflict; silence
    "kind": (1, -1, 1, 1, None),
    "true": (1, None, -1, -1, None),
    "short": (None, -1, 1, -1, 0),
}


def test_the_five_pairs_by_pencil():
    """One of two consensus pairs goes against it. kind meets true in pairs 3 and 4 and wins one of them."""
    found = discretion(PAIRS, (-1, -1, 1, -1, 1), draws=20)
    assert [e.mean for e in (found.indifferent, found.conflict, found.consensus)] == pytest.approx(
        [0.2, 0.4, 0.4]
    )
    assert (found.arbitrariness.mean, found.arbitrariness.n) == (0.5, 2)
    shares = {pair: (e.mean, e.n) for pair, e in found.supremacy.items()}
    assert shares["kind", "true"] == shares["true", "kind"] == (0.5, 2)
    assert shares["short", "true"] == (1.0, 1)  # pair 3
    assert shares["kind", "short"] == (0.0, 1)  # pair 4
    assert found.ranking[0] == "short"


def _made(rng, pairs=400, principles="abcde"):
    """Preferences of principles at random, some with nothing to say."""
    return {p: rng.choice([-1, 0, 1], size=pairs, p=[0.4, 0.2, 0.4]).tolist() for p in principles}


def _follows(preferences, weights, rng):
    """Takes the side that principles pull to, by their weights: the log-odds of the first answer."""
    pull = sum(w * np.array(preferences[p]) for p, w in weights.items())
    return np.where(rng.random(len(pull)) < 1 / (1 + np.exp(-pull)), 1, -1).tolist()


ORDER = {"c": 3.0, "a": 2.2, "b": 1.5, "e": 0.8, "d": 0.0}


def test_the_consensus_is_never_arbitrary_and_its_opposite_always():
    rng = np.random.default_rng(0)
    preferences = _made(rng, principles="ab")
    with_it = _follows(preferences, {"a": 99.0, "b": 99.0}, rng)
    assert discretion(preferences, with_it, draws=20).arbitrariness.mean == 0
    assert discretion(preferences, [-s for s in with_it], draws=20).arbitrariness.mean == 1
    undecided = discretion(preferences, [None] * 400, draws=20)
    assert np.isnan(undecided.arbitrariness.mean)
    assert (undecided.supremacy, undecided.priority) == ({}, {})


def test_one_of_two_principles_wins_and_priorities_are_those_planted():
    rng = np.random.default_rng(1)
    preferences = _made(rng, pairs=2000)
    found = discretion(preferences, _follows(preferences, ORDER, rng), draws=50)
    for (a, b), e in found.supremacy.items():
        assert e.mean + found.supremacy[b, a].mean == pytest.approx(1)
        assert e.low <= e.mean <= e.high
    assert found.ranking == tuple("cabed")
    assert found.supremacy["c", "d"].low > 0.5


def test_the_discrepancy_is_none_with_oneself_and_whole_with_ones_opposite():
    rng = np.random.default_rng(2)
    preferences = _made(rng, pairs=2000)
    weights = [ORDER, ORDER, dict(zip(ORDER, reversed(ORDER.values()))), ORDER | {"c": 2.2, "a": 3.0}]
    person, alike, apart, swapped = (
        discretion(preferences, _follows(preferences, w, rng), draws=100, seed=k)
        for k, w in enumerate(weights)
    )
    assert discrepancy(person, person).mean == 0
    assert discrepancy(person, alike).mean == 0
    assert discrepancy(person, apart).mean == 1
    assert discrepancy(person, swapped).mean == pytest.approx(1 / 10)  # one of ten pairs of principles
    found = discrepancy(person, apart)
    assert found.low > 0.5
    assert discrepancy(apart, person) == found


def test_an_annotator_who_tosses_a_coin_is_arbitrary_in_half_and_ranks_nothing():
    rng = np.random.default_rng(3)
    preferences = _made(rng, pairs=2000)
    found = discretion(preferences, rng.choice([-1, 1], size=2000).tolist(), draws=50)
    assert found.arbitrariness.low < 0.5 < found.arbitrariness.high
    shares = [e for pair, e in found.supremacy.items() if pair[0] < pair[1]]
    assert sum(e.low <= 0.5 <= e.high for e in shares) >= len(shares) - 2


def test_pairs_of_one_prompt_are_one_cluster():
    rng = np.random.default_rng(4)
    preferences = {p: np.repeat(v, 5).tolist() for p, v in _made(rng, pairs=60, principles="ab").items()}
    chosen = np.repeat(rng.choice([-1, 1], size=60), 5).tolist()
    alone = discretion(preferences, chosen, draws=20).arbitrariness
    tied = discretion(preferences, chosen, clusters=np.repeat(range(60), 5).tolist(), draws=20).arbitrariness
    assert alone.mean == tied.mean
    assert tied.high - tied.low > 1.8 * (alone.high - alone.low)  # the square root of 5 is 2.2


def test_what_does_not_fit_is_refused():
    with pytest.raises(UserError, match="by principle: a 2"):
        discretion({"a": [1, 1]}, [1])
    with pytest.raises(UserError, match="not 1"):
        discretion({"a": [2]}, [1])
    quiet = discretion({"a": [1], "b": [1]}, [1], draws=20)
    with pytest.raises(UserError, match="ranked by both"):
        discrepancy(quiet, quiet)
