"""Rates and means: published values, identities, other libraries, coverage by exact sums and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from truenorth.stats import Estimate, clopper_pearson, mean, rate, ratio
from truenorth.stats.estimate import spread


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(0, 100, 0.0, 0.0370), (8, 10, 0.4902, 0.9433), (100, 100, 0.963, 1.0)],
)
def test_wilson_gives_published_values(successes, n, low, high):
    found = rate(successes, n)
    assert found.low == pytest.approx(low, abs=1e-4)
    assert found.high == pytest.approx(high, abs=1e-4)


@pytest.mark.parametrize("n", [1, 7, 50])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_rate_intervals_equal_those_of_scipy(n, level):
    for successes in range(n + 1):
        test = scipy_stats.binomtest(successes, n)
        theirs = test.proportion_ci(level, method="wilson")
        assert rate(successes, n, level=level)[1:3] == pytest.approx(tuple(theirs), abs=1e-12)
        theirs = test.proportion_ci(level, method="exact")
        assert clopper_pearson(successes, n, level=level)[1:3] == pytest.approx(tuple(theirs), abs=1e-10)


def test_a_rate_of_nothing_is_unknown_and_may_be_anything():
    found = rate(0, 0, abstained=4)
    assert np.isnan(found.mean)
    assert found[1:] == (0.0, 1.0, 0, 4)
    assert found.to_dict() == {"mean": None, "low": 0.0, "high": 1.0, "n": 0, "abstained": 4}


@pytest.mark.parametrize(("successes", "n"), [(-1, 3), (4, 3)])
def test_impossible_counts_are_refused(successes, n):
    with pytest.raises(ValueError, match="successes"):
        rate(successes, n)


def test_a_mean_of_other_values_is_students_t():
    x = np.random.default_rng(0).normal(size=17)
    theirs = scipy_stats.ttest_1samp(x, 0).confidence_interval(0.95)
    found = mean(x)
    assert found.mean == pytest.approx(x.mean())
    assert found[1:3] == pytest.approx(tuple(theirs))


def test_a_mean_of_zeros_and_ones_is_a_rate():
    assert mean([1, 0, 1, 1]) == rate(3, 4)
    assert mean([True, False]) == rate(1, 2)


def test_one_value_says_nothing_about_the_spread():
    assert mean([0.3])[:3] == (0.3, -np.inf, np.inf)
    assert mean([0.3, 0.4], clusters=["a", "a"]).low == -np.inf
    assert mean([1, 1, 1], clusters=["a", "a", "a"])[1:3] == pytest.approx((0.0, 1.0), abs=0.02)


def test_values_that_are_not_numbers_are_refused_not_dropped():
    with pytest.raises(ValueError, match="1 of 3 values are not finite"):
        mean([0.1, float("nan"), 0.3])
    with pytest.raises(ValueError, match="2 cluster labels for 3 values"):
        mean([0.1, 0.2, 0.3], clusters=["a", "b"])


def test_the_cluster_robust_error_equals_the_formula_for_clusters_of_one_size():
    # x = (1,1,0,0), clusters {1,2},{3,4}: residual sums 1 and -1; 2/(2-1) * (1+1) / 16 = 0.25, root 0.5
    found = spread(np.array([1.0, 1.0, 0.0, 0.0]), codes=np.array([0, 0, 1, 1]))
    assert found.se == pytest.approx(0.5)
    assert found.df == pytest.approx(1.0)


def test_clusters_of_one_size_are_as_good_as_their_means():
    # the t interval of G cluster means is the textbook answer for G equal clusters
    rng = np.random.default_rng(1)
    x = rng.normal(size=(8, 5)) + rng.normal(size=(8, 1))
    theirs = scipy_stats.ttest_1samp(x.mean(1), 0).confidence_interval(0.95)
    assert mean(x.ravel(), clusters=np.repeat(np.arange(8), 5))[1:3] == pytest.approx(tuple(theirs))


def test_every_value_its_own_cluster_is_no_cluster():
    x = [0.1, 0.5, 0.7, 0.2]
    assert mean(x, clusters="abcd") == mean(x)
    assert mean([0, 1, 1], clusters="abc") == mean([0, 1, 1])


def test_copies_of_items_do_not_make_the_interval_narrower():
    once = mean([1, 0, 1, 1, 0, 1, 0, 0, 1, 1])
    copied = mean([1, 0, 1, 1, 0, 1, 0, 0, 1, 1] * 4, clusters=list(range(10)) * 4)
    assert copied.high - copied.low >= once.high - once.low


@pytest.mark.parametrize("value", [0, 1])
def test_all_right_and_all_wrong_keep_a_width_that_clusters_widen(value):
    alone, clustered = mean([value] * 40), mean([value] * 40, clusters=np.repeat(np.arange(8), 5))
    assert 0 < alone.high - alone.low < clustered.high - clustered.low < 0.5


def test_the_order_of_rows_and_the_names_of_clusters_do_not_matter():
    rng = np.random.default_rng(2)
    x, c = (rng.random(30) < 0.4).astype(float), rng.integers(0, 6, 30)
    order = rng.permutation(30)
    assert mean(x, clusters=c) == pytest.approx(mean(x[order], clusters=[f"e{k}" for k in c[order]]))


def test_a_ratio_is_the_total_over_the_total():
    # 6 nats in 4 tokens and 2 nats in 4 tokens: 8 / 8, not the mean of 1.5 and 0.5 weighted otherwise
    assert ratio([6.0, 2.0, 1.0], [4, 4, 1]).mean == pytest.approx(1.0)
    x = np.random.default_rng(3).normal(size=12)
    assert ratio(x, np.ones(12)) == pytest.approx(mean(x))
    assert np.isnan(ratio([], []).mean)
    assert ratio([3.0], [4.0]) == (0.75, -np.inf, np.inf, 1, 0)
    with pytest.raises(ValueError, match="1 numerators and 2 denominators"):
        ratio([3.0], [4.0, 1.0])


def exact_coverage(interval, n: int, rates: np.ndarray) -> np.ndarray:
    """Coverage at each rate, summed over every possible count."""
    bounds = np.array([interval(k, n)[1:3] for k in range(n + 1)])
    chances = scipy_stats.binom.pmf(np.arange(n + 1)[None], n, rates[:, None])
    inside = (bounds[:, 0] <= rates[:, None]) & (rates[:, None] <= bounds[:, 1])
    return (chances * inside).sum(1)


@pytest.mark.parametrize("n", [10, 40, 150])
@pytest.mark.parametrize("band", [(0.0, 0.1), (0.1, 0.4), (0.4, 0.6), (0.9, 1.0)])
def test_wilson_covers_what_it_says_on_average_over_any_band_of_rates(n, band):
    rates = np.linspace(*band, 401)[1:-1]
    assert 0.93 <= exact_coverage(rate, n, rates).mean() <= 0.975


@pytest.mark.parametrize("n", [5, 30])
def test_the_exact_interval_never_covers_less_than_it_says(n):
    assert exact_coverage(clopper_pearson, n, np.linspace(0.001, 0.999, 300)).min() >= 0.95


def simulated_coverage(make, truth: float, runs: int = 400) -> float:
    rng = np.random.default_rng(4)
    found = [mean_of(make(rng)) for _ in range(runs)]
    return float(np.mean([e.low <= truth <= e.high for e in found]))


def mean_of(data: tuple[np.ndarray, np.ndarray]) -> Estimate:
    return mean(data[0], clusters=data[1])


def clustered_rates(p: float, rho: float, groups: int, size: int):
    """0/1 values in clusters of uneven size whose rates vary with correlation rho (beta-binomial)."""
    strength = (1 - rho) / rho

    def make(rng):
        sizes = rng.integers(1, 2 * size, groups)
        codes = np.repeat(np.arange(groups), sizes)
        own = rng.beta(p * strength, (1 - p) * strength, groups)
        return (rng.random(len(codes)) < own[codes]).astype(float), codes

    return make


@pytest.mark.parametrize("p", [0.02, 0.1, 0.5, 0.95])
@pytest.mark.parametrize(("groups", "size", "rho"), [(30, 5, 0.1), (100, 4, 0.4), (60, 15, 0.7)])
def test_clustered_rates_are_covered(p, groups, size, rho):
    # 400 runs: the standard error of a coverage of 95 % is 1.1 points; few events make it conservative
    assert 0.925 <= simulated_coverage(clustered_rates(p, rho, groups, size), p) <= 0.995


@pytest.mark.parametrize("groups", [6, 25])
def test_clustered_means_are_covered(groups):
    def make(rng):
        codes = np.repeat(np.arange(groups), rng.integers(1, 9, groups))
        return rng.normal(size=len(codes)) + rng.normal(size=groups)[codes], codes

    assert 0.92 <= simulated_coverage(make, 0.0, runs=600) <= 0.975
