"""Looking at every item: what stays valid, and what an ordinary interval would have done."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special
from scipy import stats as scipy_stats

from truenorth.stats import anytime_mean, anytime_paired, anytime_rate, e_at_most, e_mcnemar, rate

LOOKS = [5, 10, 20, 40, 80, 120, 160, 200]


def test_a_rate_looked_at_again_and_again_is_missed_at_most_one_time_in_twenty():
    rng = np.random.default_rng(0)
    missed = ordinary = 0
    for _ in range(200):
        sums = np.cumsum(rng.random(200) < 0.3)
        here = [(int(sums[n - 1]), n) for n in LOOKS]
        missed += any(not e.low <= 0.3 <= e.high for e in (anytime_rate(*x) for x in here))
        ordinary += any(not e.low <= 0.3 <= e.high for e in (rate(*x) for x in here))
    assert missed / 200 <= 0.05
    assert ordinary / 200 > 0.10


def test_the_rates_interval_is_where_the_mixture_reaches_twenty():
    """Bayes factor of Beta(1/2, 1/2) against a point, at the ends of the interval: exactly 1 / 0.05."""
    s, n = 30, 100
    found = anytime_rate(s, n)
    for p in (found.low, found.high):
        mixture = special.betaln(s + 0.5, n - s + 0.5) - special.betaln(0.5, 0.5)
        assert mixture - s * np.log(p) - (n - s) * np.log(1 - p) == pytest.approx(np.log(20), abs=1e-6)


def test_a_paired_difference_looked_at_again_and_again_is_missed_at_most_one_time_in_twenty():
    rng, missed = np.random.default_rng(1), 0
    for _ in range(60):
        a = rng.random(200) < 0.6
        b = np.where(rng.random(200) < 0.3, rng.random(200) < 0.9, a)
        truth = 0.3 * (0.9 - 0.6)
        missed += any(not e.low <= truth <= e.high for e in (anytime_paired(a[:n], b[:n]) for n in LOOKS))
    assert missed / 60 <= 0.05


def test_intervals_narrow_to_the_truth_and_contain_the_mean():
    rng = np.random.default_rng(2)
    x = rng.beta(2, 5, size=2000)
    widths = [anytime_mean(x[:n]).high - anytime_mean(x[:n]).low for n in (50, 200, 2000)]
    assert widths[0] > widths[1] > widths[2]
    assert widths[2] < 0.08
    found = anytime_mean(3 + 2 * x, low=3, high=5)
    plain = anytime_mean(x)
    assert found.low == pytest.approx(3 + 2 * plain.low)
    assert found.high == pytest.approx(3 + 2 * plain.high)


def test_evidence_is_fair_at_every_number_of_discordant_pairs():
    """An e-value is 1 on average under the null: the exact sum over all outcomes."""
    for n in (1, 2, 7, 30):
        law = scipy_stats.binom.pmf(range(n + 1), n, 0.5)
        assert sum(law[g] * e_mcnemar(g, n - g).e for g in range(n + 1)) == pytest.approx(1, abs=1e-9)
    for n in (1, 5, 20):
        law = scipy_stats.binom.pmf(range(n + 1), n, 0.2)
        average = sum(law[s] * e_at_most([1] * s + [0] * (n - s), 0.2).e for s in range(n + 1))
        assert average == pytest.approx(1, abs=1e-9)


def test_nothing_seen_is_no_evidence_and_any_rate():
    assert e_mcnemar(0, 0).e == 1
    assert e_mcnemar(0, 0).p == 1
    assert e_at_most([], 0.1).e == 1
    assert anytime_rate(0, 0)[1:3] == (0.0, 1.0)
    assert anytime_mean([])[1:3] == (0.0, 1.0)


def test_all_or_none_keeps_the_edge():
    assert anytime_rate(0, 50).low == 0
    assert anytime_rate(50, 50).high == 1
    assert anytime_mean([1.0] * 50).high == 1
    assert 0.85 < anytime_mean([1.0] * 50).low < 1


def test_values_outside_their_bounds_are_refused():
    with pytest.raises(ValueError, match="outside"):
        anytime_mean([0.5, 1.5])
    with pytest.raises(ValueError, match="bound"):
        e_at_most([0, 1], 1.0)
