"""The parts of a bootstrap interval by their formulas; whole intervals are held by scipy and by simulation."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from truenorth.stats.bootstrap import _expanded, _finite, _jackknife_se, bca_tails, rows_by_cluster

NORMAL = NormalDist()


def tails(shift: float, skew: float, z: float) -> tuple[float, ...]:
    """DiCiccio and Efron (1996), equation 2.4, term by term."""
    return tuple(NORMAL.cdf(shift + (shift + e) / (1 - skew * (shift + e))) for e in (-z, z))


def test_bias_is_the_share_of_draws_below_and_skewness_that_of_the_jackknife():
    draws = np.repeat([0.0, 2.0], [30, 70])  # 30 % below 1
    left_out = np.array([1.0, 2.0, 3.0, 6.0])  # 3 minus each: 2, 1, 0, -3; squares 14, cubes -18
    want = tails(NORMAL.inv_cdf(0.3), -18 / (6 * 14**1.5), 1.96)
    assert bca_tails(1.0, draws, left_out, 1.96) == pytest.approx(want, abs=1e-12)


def test_draws_that_equal_the_estimate_count_half():
    draws = np.repeat([0.0, 1.0, 2.0], [20, 40, 40])
    want = tails(NORMAL.inv_cdf(0.4), 0.0, 1.5)
    assert bca_tails(1.0, draws, np.array([5.0, 5.0, np.nan]), 1.5) == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize(("draw", "share"), [(0.0, 0.99), (2.0, 0.01)])
def test_draws_all_on_one_side_shift_by_no_more_than_one_draw_of_them_says(draw, share):
    found = bca_tails(1.0, np.full(100, draw), np.array([1.0, 1.0]), 1.0)
    assert found == pytest.approx(tails(NORMAL.inv_cdf(share), 0.0, 1.0), abs=1e-12)


def test_quantiles_are_widened_as_few_clusters_need_it():
    # t of 9 degrees of freedom at 97.5 % is 2.262157
    assert _expanded(0.95, 10) == pytest.approx(math.sqrt(10 / 9) * 2.262157, abs=1e-5)


def test_the_jackknife_error_of_a_mean_is_the_usual_one():
    x = np.array([1.0, 4.0, 4.0, 7.0])
    found = _jackknife_se(lambda rows: float(x[rows].mean()), rows_by_cluster(None, 4))
    assert found == pytest.approx(math.sqrt(6.0 / 4))  # variance (9 + 0 + 0 + 9) / 3


def test_rows_of_a_cluster_stand_together_whatever_their_order():
    found = [rows.tolist() for rows in rows_by_cluster(["b", "a", "b", "c", "a"], 5)]
    assert sorted(found) == [[0, 2], [1, 4], [3]]


def test_half_of_the_draws_may_be_undefined_and_no_more():
    assert _finite(np.array([1.0, np.nan])).tolist() == [1.0]
    with pytest.raises(ValueError, match="2 of 3 draws"):
        _finite(np.array([1.0, np.nan, np.inf]))
