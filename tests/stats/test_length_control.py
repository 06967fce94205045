"""Length-controlled win rates: identities, coverage of our standard error and of the one that is printed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from truenorth.stats import controlled, difficulties, length_effect, length_feature


def _made(rng, n, *, model=0.3, length=-1.0, hard=0.8):
    gap = rng.normal(1, 1, size=n)
    style, difficulty = np.tanh(gap), rng.normal(size=n)
    p = expit(length * style + hard * difficulty + model)
    return (rng.random(n) < p).astype(float), style, difficulty


def test_the_length_feature_is_alpacaevals():
    """Gaps 10, -10, 0: standard deviation (n - 1) 10, so tanh(1), tanh(-1), 0; units of length do not matter."""
    assert length_feature([0, 20, 5], [10, 10, 5]) == pytest.approx([np.tanh(1), np.tanh(-1), 0])
    assert length_feature([0, 200, 50], [100, 100, 50]) == pytest.approx([np.tanh(1), np.tanh(-1), 0])
    assert length_feature([5, 5], [5, 5]).tolist() == [0, 0]


def test_without_differences_in_length_control_changes_nothing():
    y = np.random.default_rng(0).random(200)
    found = controlled(y, {"length": np.zeros(200)}, ridge=1e-9)
    assert found.win_rate.mean == pytest.approx(y.mean(), abs=1e-6)
    assert found.se == pytest.approx(y.std(ddof=1) / np.sqrt(200), rel=1e-3)
    assert not found.extreme


def test_always_a_tie_is_half_and_items_may_come_in_any_order():
    assert controlled([0.5] * 9, {"length": np.linspace(-1, 1, 9)}).win_rate.mean == pytest.approx(0.5)
    y, style, hard = _made(np.random.default_rng(1), 100)
    order = np.random.default_rng(2).permutation(100)
    one = controlled(y, {"length": style}, difficulty=hard)
    two = controlled(y[order], {"length": style[order]}, difficulty=hard[order])
    assert one.win_rate == pytest.approx(two.win_rate)


def test_our_standard_error_covers_and_the_printed_one_does_not():
    """The truth: mean over difficulty of expit(0.8 difficulty + 0.3), by a large sum."""
    rng, runs = np.random.default_rng(3), 500
    truth = expit(0.8 * rng.normal(size=2_000_000) + 0.3).mean()
    ours = printed = 0
    for _ in range(runs):
        y, style, hard = _made(rng, 300)
        found = controlled(y, {"length": style}, difficulty=hard)
        ours += found.win_rate.low <= truth <= found.win_rate.high
        printed += abs(found.win_rate.mean - truth) <= 1.96 * found.prediction_se
    assert 0.93 <= ours / runs <= 0.975
    assert printed / runs < 0.6


def test_the_weights_are_scikit_learns():
    from sklearn.linear_model import LogisticRegression

    y, style, hard = _made(np.random.default_rng(4), 400)
    theirs = LogisticRegression(C=100.0, fit_intercept=False, tol=1e-12, max_iter=1000)
    theirs.fit(np.stack([style, hard, np.ones(400)], axis=1), y)
    found = controlled(y, {"length": style}, difficulty=hard, ridge=0.01)
    assert list(found.effects.values()) == pytest.approx(theirs.coef_[0].tolist(), abs=1e-4)


def _many(rng, models=30, n=300):
    hard, preference, style = rng.normal(size=n), {}, {}
    for m in range(models):
        style[m] = np.tanh(rng.normal(size=n))
        p = expit(-style[m] + rng.uniform(0.5, 1.5) * hard + rng.normal())
        preference[m] = (rng.random(n) < p).astype(float)
    return hard, preference, style


def test_difficulties_are_found_from_many_models():
    hard, preference, style = _many(np.random.default_rng(5))
    assert np.corrcoef(difficulties(preference, style).hard_N, hard)[0, 1] > 0.9


def test_a_models_own_preferences_take_no_part_in_its_difficulties():
    """Where models share nothing, difficulty is worth nothing; difficulties that they helped to make would be."""
    rng = np.random.default_rng(6)
    noise = {m: (rng.random(400) < 0.3).astype(float) for m in range(8)}
    level = {m: np.zeros(400) for m in noise}
    found = difficulties(noise, level, precision=0.1)
    assert abs(found.shared["difficulty"]) < 0.15
    itself = controlled(noise[0], {"length": level[0]}, difficulty=found.hard_N).effects["difficulty"]
    others = controlled(noise[0], {"length": level[0]}, difficulty=found.without[0]).effects["difficulty"]
    assert itself > 0.5
    assert abs(others) < 0.35  # two standard errors: 2 / sqrt(400 * 0.21)
    with pytest.raises(ValueError, match="two or more"):
        difficulties({0: noise[0]}, {0: level[0]})


def test_the_effect_of_length_is_told_by_two_versions_of_one_model_and_not_by_a_longer_better_one():
    """Log-odds 0.3 - 1.2 style for a brief and a wordy version; a stronger model that is wordy says nothing of it."""
    rng = np.random.default_rng(7)
    hard = rng.normal(size=4000)
    style = [np.tanh(rng.normal(c, 0.5, 4000)) for c in (1, -1, -1)]
    won = [expit(s + hard - 1.2 * f) for s, f in zip((0.3, 0.3, 2.0), style)]
    y = [(rng.random(4000) < p).astype(float) for p in won]
    found = length_effect(y, style, [hard] * 3, ["a", "a", "b"])
    assert found.low < -1.2 < found.high
    assert found.high - found.low < 0.3
    taken_for_one = length_effect(y, style, [hard] * 3, ["a", "a", "a"])  # strength passes for length
    assert taken_for_one.high < -1.5
    with pytest.raises(ValueError, match="two versions"):
        length_effect(y[:1], style[:1], [hard], ["a"])


def test_the_interval_of_the_effect_of_length_holds_the_truth():
    """400 instructions met by two versions, lengths alike on the same instruction; clusters are instructions."""
    rng, held = np.random.default_rng(8), 0
    for _ in range(200):
        hard, mood = rng.normal(size=400), rng.normal(size=400)
        style = [np.tanh(rng.normal(c, 0.5, 400) + mood) for c in (1, -1)]
        y = [(rng.random(400) < expit(0.3 + hard - 1.2 * f)).astype(float) for f in style]
        found = length_effect(y, style, [hard] * 2, ["a", "a"], clusters=[np.arange(400)] * 2)
        held += found.low <= -1.2 <= found.high
    assert 0.92 <= held / 200 <= 0.985
    alone = length_effect(y, style, [hard] * 2, ["a", "a"])
    twice = length_effect(y * 2, style * 2, [hard] * 4, ["a"] * 4, clusters=[np.arange(400)] * 4)
    assert twice.high - twice.low > 0.8 * (alone.high - alone.low)  # the same votes again tell nothing new


def test_a_model_that_always_wins_stays_finite_and_control_that_moves_much_is_flagged():
    found = controlled([1.0] * 50, {"length": np.linspace(-1, 1, 50)})
    assert 0.97 < found.win_rate.mean < 1
    style = np.linspace(-1, 1, 400)
    y = expit(4 * style + 3 * (style > 0) * style)
    assert controlled(y[200:], {"length": style[200:]}).extreme
