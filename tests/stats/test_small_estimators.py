"""The estimators of a few lines: worked examples, other libraries, coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from truenorth.base import UserError
from truenorth.stats import (
    bh,
    bootstrap,
    bounds,
    brier,
    by,
    detectable_paired,
    detectable_rates,
    fleiss,
    hit_at,
    hit_curve,
    krippendorff,
    murphy,
    needed_n,
    needed_n_margin,
    needed_n_paired,
    paired_bounds,
    power_paired,
    power_rates,
    rogan_gladen,
)


@pytest.mark.parametrize("method", ["bh", "by"])
def test_adjusted_p_values_are_scipys(method):
    p = np.random.default_rng(0).random(15) ** 3
    ours = {"bh": bh, "by": by}[method](p.tolist())
    assert ours == pytest.approx(scipy_stats.false_discovery_control(p, method=method))


def test_the_bca_interval_is_scipys():
    x = np.random.default_rng(1).gamma(1.5, size=40)
    ours = bootstrap(lambda v: float(v.mean()), x, draws=4000)
    theirs = scipy_stats.bootstrap((x,), np.mean, n_resamples=4000, rng=0, method="BCa").confidence_interval
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), rel=0.03)


def test_a_bootstrap_of_clusters_is_that_of_their_sums_and_sizes():
    """Ten clusters of equal size drawn whole: the mean's bootstrap is that of the ten cluster means."""
    rng = np.random.default_rng(2)
    centre = rng.normal(size=10)
    x, label = np.repeat(centre, 4), np.repeat(np.arange(10), 4)
    whole = bootstrap(lambda v: float(v.mean()), x, clusters=label, method="percentile", seed=5)
    means = bootstrap(lambda v: float(v.mean()), centre, method="percentile", seed=5)
    assert whole[:3] == pytest.approx(means[:3])


@pytest.mark.parametrize("method", ["bca", "percentile", "studentised"])
def test_bootstrap_intervals_of_a_mean_cover(method):
    """Sixty clustered values of a normal law; each interval by the same vectorised draws."""
    rng, held, runs = np.random.default_rng(3), 0, 120
    for seed in range(runs):
        x = np.repeat(rng.normal(size=60), 2)
        label = np.repeat(np.arange(60), 2)
        draws = 60 if method == "studentised" else 300
        found = bootstrap(np.mean, x, clusters=label, method=method, draws=draws, seed=seed)
        held += found.low <= 0 <= found.high
    assert 0.89 <= held / runs <= 0.995  # three standard errors of 120 runs


def test_bootstraps_that_cannot_tell_are_refused():
    with pytest.raises(ValueError, match="at least two"):
        bootstrap(np.mean, [1.0, 2.0], clusters=["a", "a"])
    with pytest.raises(ValueError, match="undefined in"):
        bootstrap(lambda v: float("nan"), [1.0, 2.0, 3.0], draws=20)
    with pytest.raises(ValueError, match="as many in each"):
        bootstrap(np.mean, [1.0, 2.0], [1.0])


def test_power_inverts_the_sizes_of_the_tables():
    """S4: 0.05 at 0.5 takes 1,565 a group; McNemar, discordant 0.2 and difference 0.05, 626 items."""
    assert power_rates(0.05, rate=0.5, n=needed_n(0.05, rate=0.5)) == pytest.approx(0.8, abs=1e-3)
    assert power_paired(0.05, discordant=0.2, n=needed_n_paired(0.05, discordant=0.2)) >= 0.8
    assert detectable_rates(388, rate=0.5) == pytest.approx(0.10, abs=1e-3)
    assert detectable_paired(1960, discordant=0.1) == pytest.approx(0.02, abs=1e-4)
    assert np.isnan(detectable_rates(3, rate=0.9))


def test_power_is_what_simulated_mcnemar_tests_reach():
    n, up, down = 300, 0.14, 0.06
    law, p = scipy_stats.multinomial(n, [up, down, 1 - up - down]), 0.0
    for g in range(100):
        for lost in range(60):
            if g + lost and (g - lost) ** 2 / (g + lost) > 3.8415:
                p += law.pmf([g, lost, n - g - lost])
    assert power_paired(0.08, discordant=0.2, n=n) == pytest.approx(p, abs=0.01)


def test_the_size_for_a_margin_is_julious():
    """0.1 (1.95996 + 0.84162)^2 / 0.02^2 = 1962.2"""
    assert needed_n_margin(0.02, discordant=0.1) == 1963
    with pytest.raises(ValueError, match="margin"):
        needed_n_margin(0, discordant=0.1)


def test_brier_is_scikit_learns_and_its_parts_add_up():
    from sklearn.metrics import brier_score_loss

    rng = np.random.default_rng(4)
    p = np.round(rng.random(500), 1)
    y = (rng.random(500) < p**1.3).astype(int)
    assert brier(p, y).mean == pytest.approx(brier_score_loss(y, p))
    parts = murphy(p, y)
    assert parts.reliability - parts.resolution + parts.uncertainty == pytest.approx(brier(p, y).mean)


def test_hit_at_k_is_the_share_of_subsets_with_a_hit():
    """n = 10, 3 hits, k = 5: 1 - C(7,5) / C(10,5) = 1 - 21 / 252."""
    assert hit_at(5, [3], [10]).mean == pytest.approx(1 - 21 / 252)
    assert hit_at(1, [3], [10]).mean == pytest.approx(0.3)
    assert hit_at(8, [3], [10]).mean == 1
    curve = hit_curve([3, 0, 1], [10, 10, 8], ks=(1, 2, 5, 10))
    assert list(curve) == [1, 2, 5]
    assert curve[1].mean < curve[2].mean < curve[5].mean


def test_hit_at_k_is_unbiased_and_the_plug_in_is_not():
    """p = 0.1, n = 6, k = 4, exact sums: 1 - 0.9^4 against a plug-in that is lower."""
    law = scipy_stats.binom.pmf(range(7), 6, 0.1)
    ours = sum(law[s] * hit_at(4, [s], [6]).mean for s in range(7))
    plug = sum(law[s] * (1 - (1 - s / 6) ** 4) for s in range(7))
    assert ours == pytest.approx(1 - 0.9**4)
    assert plug < ours - 0.02
    with pytest.raises(ValueError, match="hit@4"):
        hit_at(4, [1], [3])


def test_bounds_take_the_missing_at_their_worst_and_best():
    found = bounds([1, None, 0, 1])
    assert (found.worst.mean, found.best.mean) == (0.5, 0.75)
    assert found.scored.mean == pytest.approx(2 / 3)
    assert found.interval == (found.worst.low, found.best.high)
    both = paired_bounds([0, None, 0, 0], [1, 1, None, 1])
    assert (both.worst.difference, both.best.difference) == (0.5, 1.0)
    assert both.scored.n == 2
    assert not both.settled
    assert paired_bounds([0] * 40, [1] * 39 + [None]).settled


def test_rogan_and_gladens_worked_value():
    """(0.40 + 0.95 - 1) / (0.90 + 0.95 - 1) = 0.4118"""
    flags = [1] * 400 + [0] * 600
    found = rogan_gladen(flags, sensitivity=(900, 1000), specificity=(950, 1000))
    assert found.mean == pytest.approx(0.35 / 0.85)
    sure = rogan_gladen(flags, sensitivity=(10**9, 10**9), specificity=(10**9, 10**9))
    assert sure.mean == pytest.approx(0.4)
    assert found.high - found.low > sure.high - sure.low
    fewer = rogan_gladen(flags, sensitivity=(90, 100), specificity=(95, 100))
    assert fewer.high - fewer.low > found.high - found.low


def test_corrected_rates_cover_with_few_labels_where_known_errors_would_not():
    rng, true, se, sp, runs = np.random.default_rng(5), 0.3, 0.85, 0.9, 1500
    ours = naive = 0
    for _ in range(runs):
        q = rng.binomial(2000, true * se + (1 - true) * (1 - sp))
        hit, clear = rng.binomial(80, se), rng.binomial(120, sp)
        flags = np.zeros(2000)
        flags[:q] = 1
        e = rogan_gladen(flags, sensitivity=(hit, 80), specificity=(clear, 120))
        ours += e.low <= true <= e.high
        slope = hit / 80 + clear / 120 - 1
        told, half = (q / 2000 + clear / 120 - 1) / slope, 1.96 * np.sqrt(0.25 / 2000) / slope
        naive += abs(told - true) <= half
    assert 0.93 <= ours / runs <= 0.97
    assert naive / runs < 0.8


def test_a_judge_that_tells_nothing_is_refused():
    with pytest.raises(UserError, match="tells too little"):
        rogan_gladen([1, 0] * 50, sensitivity=(55, 100), specificity=(50, 100))
    with pytest.raises(UserError, match="tells too little"):
        rogan_gladen([1, 0] * 50, sensitivity=(4, 5), specificity=(4, 5))
    with pytest.raises(UserError, match="sensitivity from 1 label"):
        rogan_gladen([1, 0] * 50, sensitivity=(1, 1), specificity=(4, 5))


def test_garaks_impossible_interval_is_refused_instead_of_printed():
    """Sensitivity 0.921, specificity 0.385, half the outputs flagged: garak 0.17.1 clips and prints [0, 0]."""
    with pytest.raises(UserError, match="its own errors rule out"):
        rogan_gladen([1] * 500 + [0] * 500, sensitivity=(3300, 3583), specificity=(1379, 3583))


CANONICAL = [
    [1, 1, None, 1],
    [2, 2, 3, 2],
    [3, 3, 3, 3],
    [3, 3, 3, 3],
    [2, 2, 2, 2],
    [1, 2, 3, 4],
    [4, 4, 4, 4],
    [1, 1, 2, 1],
    [2, 2, 2, 2],
    [None, 5, 5, 5],
    [None, None, 1, 1],
    [None, 3, None, None],
]


@pytest.mark.parametrize(
    ("scale", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_alpha_of_krippendorffs_own_data(scale, alpha):
    """Krippendorff (2011), section D."""
    found = krippendorff(CANONICAL, scale=scale)
    assert found.mean == pytest.approx(alpha, abs=5e-4)
    assert (found.n, found.abstained) == (11, 1)


@pytest.mark.parametrize("scale", ["nominal", "ordinal", "interval"])
def test_alpha_is_the_krippendorff_packages(scale):
    package = pytest.importorskip("krippendorff")
    rng = np.random.default_rng(6)
    ratings = rng.integers(1, 5, size=(30, 4)).astype(float)
    ratings[rng.random(ratings.shape) < 0.2] = np.nan
    ours = krippendorff(ratings.tolist(), scale=scale).mean
    assert ours == pytest.approx(package.alpha(ratings.T, level_of_measurement=scale))


def test_fleiss_is_his_own_example():
    """Fleiss (1971), 10 subjects, 14 raters, 5 categories: 0.210."""
    counts = [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
    ratings = [[k for k, many in enumerate(row) for _ in range(many)] for row in counts]
    assert fleiss(ratings).mean == pytest.approx(0.210, abs=5e-4)
    with pytest.raises(ValueError, match="krippendorff"):
        fleiss([[1, 1], [1, 1, 2]])


@pytest.mark.parametrize("kind", ["nominal", "ordinal", "fleiss"])
def test_intervals_of_agreement_cover(kind):
    """Three raters of mixed skill; the truth is what 20,000 items give."""
    rng, runs = np.random.default_rng(7), 700

    def labelled(items):
        true = rng.choice(4, p=[0.55, 0.25, 0.15, 0.05], size=items)
        right = rng.random((items, 3)) < np.where(rng.random((items, 1)) < 0.8, 0.95, 0.4)
        other = rng.choice(4, p=[0.55, 0.25, 0.15, 0.05], size=(items, 3))
        return np.where(right, true[:, None], other).tolist()

    def estimate(rows):
        return fleiss(rows) if kind == "fleiss" else krippendorff(rows, scale=kind)

    truth = estimate(labelled(20_000)).mean
    found = [estimate(labelled(60)) for _ in range(runs)]
    assert 0.93 <= np.mean([e.low <= truth <= e.high for e in found]) <= 0.975


def test_perfect_agreement_on_few_items_is_not_certain_and_one_label_says_nothing():
    found = krippendorff([[1, 1], [2, 2], [1, 1]] * 4)
    assert found.mean == found.high == 1
    assert found.low == pytest.approx(
        1 - scipy_stats.t.ppf(0.975, 11) ** 2 / (12 + scipy_stats.t.ppf(0.975, 11) ** 2)
    )
    assert np.isnan(krippendorff([[1, 1], [1, 1]]).mean)
    assert np.isnan(fleiss([[1, 1], [1, 1]]).mean)


@pytest.mark.parametrize("kind", ["nominal", "interval", "fleiss"])
def test_the_standard_error_of_agreement_is_the_jackknifes(kind):
    """A rare label, so that an item moves what chance gives as much as what is observed."""
    rng = np.random.default_rng(8)
    true = rng.choice(3, p=[0.85, 0.1, 0.05], size=150)
    noise = rng.integers(0, 3, size=(150, 4))
    rows = np.where(rng.random((150, 4)) < 0.75, true[:, None], noise).tolist()

    def estimate(items):
        return fleiss(items) if kind == "fleiss" else krippendorff(items, scale=kind)

    found = estimate(rows)
    left = np.array([estimate(rows[:i] + rows[i + 1 :]).mean for i in range(150)])
    jackknife = np.sqrt(149 / 150 * ((left - left.mean()) ** 2).sum())
    se = np.log((1 - found.low) / (1 - found.mean)) * (1 - found.mean) / scipy_stats.t.ppf(0.975, 149)
    assert se == pytest.approx(jackknife, rel=0.05)
