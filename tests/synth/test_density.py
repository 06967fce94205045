"""Thin and dense regions, draws that weights put right again, and a filter that learned from good rows."""

import numpy as np
import pytest

from truenorth.base import UserError
from truenorth.records import Group
from truenorth.synth.density import chances, density, filter_network, inverse_propensity


def cloud(seed=0):
    """900 rows around one direction, 100 around another."""
    rng = np.random.default_rng(seed)
    centre = np.repeat(np.eye(16)[:2], [900, 100], axis=0)
    return centre + 0.15 * rng.normal(size=(1000, 16)), np.arange(1000) >= 900


def test_sketches_estimate_the_kernel():
    x, _ = cloud()
    x = x[::10]
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    angle = np.arccos(np.clip(unit @ unit.T, -1, 1))
    exact = ((1 - angle / np.pi) ** 6).mean(axis=1)
    assert density(x, bits=6, sketches=2000) == pytest.approx(exact, rel=0.08)
    assert density(np.ones((5, 3))) == pytest.approx([1.0] * 5)


def test_thin_regions_are_drawn_as_often_and_weights_put_it_right():
    x, rare = cloud()
    p = density(x, bits=8)
    shares, means = [], []
    value = np.where(rare, 5.0, 1.0)  # mean 1.4
    for seed in range(60):
        drawn = inverse_propensity(p, 150, seed=seed)
        shares.append(rare[drawn.picks].mean())
        means.append(np.average(value[drawn.picks], weights=drawn.weights))
        assert abs(len(drawn.picks) - 150) < 60
        assert np.mean(drawn.weights) == pytest.approx(1)
    assert np.mean(shares) > 0.3  # a tenth of the rows
    assert np.mean(means) == pytest.approx(1.4, abs=0.05)
    assert np.mean([value[inverse_propensity(p, 150, seed=s).picks].mean() for s in range(60)]) > 2


def test_chances_are_in_proportion_and_never_above_one():
    # 8 of 10 is above 1 for 3 draws in proportion, so it is sure; the other two draws are split as 1 to 1
    assert chances(np.array([8.0, 1.0, 1.0]), 2).tolist() == [1.0, 0.5, 0.5]
    assert chances(np.array([2.0, 1.0, 1.0]), 1).tolist() == [0.5, 0.25, 0.25]
    assert chances(np.array([5.0, 1.0]), 2).tolist() == [1.0, 1.0]
    with pytest.raises(UserError, match="propensities above 0"):
        inverse_propensity([1.0, 0.0], 1)
    with pytest.raises(UserError, match="bits 0"):
        density(np.ones((2, 2)), bits=0)


def test_a_filter_network_knows_good_rows():
    good = [f"clear steps for case {i} with a reason" for i in range(60)]
    pool = [f"buy now {i} cheap click here" for i in range(80)]
    judge = filter_network(good, pool)
    [[high, low]] = judge.judge([Group("q", ["clear steps with a reason", "click here cheap"])])
    assert high.score > 0.8
    assert low.score < 0.2
