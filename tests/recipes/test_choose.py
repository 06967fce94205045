"""Choosing under a constraint: what is found, what is refused, and how often it errs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from truenorth.base import UserError, seed_of
from truenorth.cli.merge import with_places
from truenorth.measure import Answer, Item, Scores
from truenorth.recipes.choose import Limit, _parts, choose
from truenorth.recipes.choose_models import grid, numbers
from truenorth.records import Completion

ITEMS = [Item(f"{p}{i}", "?", p, f"{p}{i // 2}") for p in ("harmless", "facts") for i in range(400)]
START = {"harmless": 0.5, "facts": 0.9}


def asking(rates: Mapping[Any, Mapping[str, float]], seed: int = 0, calls: list | None = None):
    """Answers that are right at a candidate's rates; what is hard for one is hard for the other."""

    def ask(settings: Mapping[str, Any] | None, items: Sequence[Item]) -> Scores:
        own = START if settings is None else rates[settings["g"]]
        if calls is not None:
            calls.append((None if settings is None else settings["g"], len(items)))
        answers = []
        for item in items:
            ease = np.random.default_rng(seed_of("ease", seed, item.id)).random()
            score = float(ease < own[item.principle])
            answers.append(Answer(item, 0, 0, Completion("x"), score, "test"))
        return Scores("test", tuple(answers))

    return ask


def found(rates: Mapping[Any, Mapping[str, float]], *, limit: float = 0.05, **how):
    ask = asking(rates, how.pop("draw", 0), how.pop("calls", None))
    candidates = [{"g": g} for g in rates]
    return choose(ask, ITEMS, candidates, improve="harmless", limits=[Limit("facts", limit)], **how)


def test_the_best_candidate_that_keeps_the_limit_is_chosen():
    rates = {
        0.2: {"harmless": 0.6, "facts": 0.9},
        0.5: {"harmless": 0.8, "facts": 0.895},
        1.0: {"harmless": 0.95, "facts": 0.6},
    }
    choice = found(rates)
    assert choice.verdict == "chosen"
    assert choice.best is not None
    assert choice.best.settings == {"g": 0.5}
    assert [c.state for c in choice.candidates] == ["worse", "feasible", "breaks a limit"]
    assert choice.settled
    assert choice.improves
    assert choice.best.improve is not None
    assert choice.best.improve.low < 0.3 < choice.best.improve.high


def test_candidates_that_break_the_limit_are_not_asked_again():
    calls: list[tuple[Any, int]] = []
    rates = {0.5: {"harmless": 0.8, "facts": 0.9}, 1.0: {"harmless": 0.95, "facts": 0.3}}
    found(rates, calls=calls)
    asked = {g: sum(n for who, n in calls if who == g) for g in (None, 0.5, 1.0)}
    assert asked[1.0] == 200
    assert asked[None] == asked[0.5]
    assert asked[0.5] <= 800


def test_none_feasible_and_cannot_tell_are_told_apart():
    bad = {1: {"harmless": 0.9, "facts": 0.5}, 2: {"harmless": 0.9, "facts": 0.6}}
    assert found(bad).verdict == "none feasible"
    close = {1: {"harmless": 0.9, "facts": 0.88}}
    choice = found(close, limit=0.02)
    assert choice.verdict == "cannot tell"
    assert choice.best is None
    assert choice.more != 0


def test_a_feasible_candidate_that_helps_nothing_says_so():
    choice = found({1: {"harmless": 0.5, "facts": 0.9}})
    assert choice.verdict == "chosen"
    assert not choice.improves


def test_less_is_better_turns_both_round():
    """Harmless now counts harm: the candidate with less of it wins."""
    rates = {1: {"harmless": 0.7, "facts": 0.9}, 2: {"harmless": 0.2, "facts": 0.9}}
    choice = found(rates, lower=frozenset(["harmless"]))
    assert choice.best is not None
    assert choice.best.settings == {"g": 2}
    assert choice.improves


def test_a_limit_that_is_just_broken_is_rarely_taken_for_kept():
    """Facts fall by exactly the margin: whoever is called feasible is an error, held below 5 % over all looks."""
    items = [Item(f"{p}{i}", "?", p) for p in ("harmless", "facts") for i in range(120)]
    errors = 0
    for draw in range(60):
        rng = np.random.default_rng(draw)

        def ask(settings, part, rng=rng):
            right = {"harmless": 0.5, "facts": 0.9 if settings is None else 0.8}
            scores = [float(rng.random() < right[item.principle]) for item in part]
            return Scores("x", tuple(Answer(i, 0, 0, Completion("x"), s, "x") for i, s in zip(part, scores)))

        candidates = [{"g": g} for g in range(3)]
        choice = choose(ask, items, candidates, improve="harmless", limits=[Limit("facts", 0.1)])
        errors += choice.verdict == "chosen"
    assert errors <= 6  # 3 expected at most; 7 or more of 60 at 5 % is one chance in 32


def test_rounds_take_whole_clusters_and_double():
    parts = _parts(ITEMS, 3, 0)
    assert [len(part) for part in parts] == [200, 200, 400]
    groups = [{item.group for item in part} for part in parts]
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]
    assert [len(part) for part in _parts(ITEMS, 1, 0)] == [800]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"improve": "harmles"}, "--improve: no questions about 'harmles'"),
        ({"limits": [Limit("fact", 0.1)]}, "--limit: no questions about 'fact'"),
        ({"limits": [Limit("harmless", 0.1)]}, "named twice"),
        ({"candidates": []}, "no candidates"),
        ({"rounds": 0}, "0 rounds"),
    ],
)
def test_what_cannot_be_searched_is_refused(change, says):
    how = {"improve": "harmless", "limits": [Limit("facts", 0.1)], "candidates": [{"g": 1}]} | change
    candidates = how.pop("candidates")
    with pytest.raises(UserError, match=says):
        choose(asking({1: START}), ITEMS, candidates, **how)


@pytest.mark.parametrize("text", ["facts", "facts:", "facts:two", "facts:0", ":2", "facts:100"])
def test_a_limit_needs_a_measure_and_points(text: str):
    with pytest.raises(UserError, match="not a limit"):
        Limit.parse(text)


def test_values_are_numbers_where_they_are():
    assert numbers("1, 0.5,exact") == [1, 0.5, "exact"]
    assert grid({"a": [1, 2], "b": [3, 4]})[1] == {"a": 1, "b": 4}
    assert Limit.parse("facts:2") == Limit("facts", 0.02)


def test_places_of_a_merge_are_set():
    text = "merge_method: linear\nmodels:\n- model: a\n- model: b\n  parameters: {weight: 1}\n"
    made = with_places(text, {"models[1].parameters.weight": 0.3, "parameters.normalize": True})
    assert "weight: 0.3" in made
    assert "normalize: true" in made
    with pytest.raises(UserError, match="no 'models"):
        with_places(text, {"models[5].parameters.weight": 1})
