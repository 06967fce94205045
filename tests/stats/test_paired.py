"""Paired comparisons: published values, symmetry, scipy, coverage, and tests that keep their level."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy import stats as scipy_stats

from truenorth.stats import holm, mcnemar, paired, sign_flip


def test_mcnemar_gives_published_values():
    assert mcnemar(8, 2) == pytest.approx(0.109375)
    assert mcnemar(8, 2, mid=True) == pytest.approx(0.0654, abs=1e-4)
    assert mcnemar(0, 0) == 1.0


def test_mcnemar_equals_the_binomial_test_of_scipy():
    for gained in range(12):
        for lost in range(1, 9):
            theirs = scipy_stats.binomtest(gained, gained + lost).pvalue
            assert mcnemar(gained, lost) == pytest.approx(theirs)


def test_the_sign_flip_test_equals_the_exact_permutation_test_of_scipy():
    d = np.random.default_rng(0).normal(0.4, 1, size=10)
    theirs = scipy_stats.permutation_test(
        (d,), np.sum, permutation_type="samples", alternative="two-sided", n_resamples=np.inf
    ).pvalue
    assert sign_flip(d) == pytest.approx(theirs, abs=1e-12)


def test_many_clusters_are_sampled_and_agree_with_normal_theory():
    d = np.random.default_rng(1).normal(0.2, 1, size=200)
    z = d.sum() / np.sqrt((d**2).sum())
    assert sign_flip(d, seed=3) == pytest.approx(2 * scipy_stats.norm.sf(abs(z)), abs=0.01)
    assert sign_flip(d, seed=3) == sign_flip(d, seed=3)
    assert sign_flip(np.full(200, 1.0)) == pytest.approx(1 / 10_001)


VALUES = {
    "rates": (np.array([1, 0, 0, 1, 0, 0.0, 1, 0]), np.array([1, 1, 1, 1, 0, 1.0, 0, 1]), None),
    "clustered rates": (np.array([1, 0, 0, 1, 0, 0.0]), np.array([1, 1, 1, 0, 0, 1.0]), list("aabbcc")),
    "scores": (np.array([0.1, 0.5, 0.2, 0.9]), np.array([0.3, 0.6, 0.1, 1.0]), None),
    "clustered scores": (np.array([0.1, 0.5, 0.2, 0.9]), np.array([0.3, 0.6, 0.1, 1.0]), list("aabb")),
}


@pytest.mark.parametrize("name", VALUES)
def test_swapping_the_systems_negates_the_difference_and_keeps_p(name):
    a, b, clusters = VALUES[name]
    one, two = paired(a, b, clusters=clusters), paired(b, a, clusters=clusters)
    assert one.difference == pytest.approx((b - a).mean())
    assert (one.difference, one.low, one.high) == pytest.approx((-two.difference, -two.high, -two.low))
    assert one.p == pytest.approx(two.p)
    assert one.low <= one.difference <= one.high


@pytest.mark.parametrize("name", VALUES)
def test_identical_systems_do_not_differ(name):
    a, _, clusters = VALUES[name]
    found = paired(a, a, clusters=clusters)
    assert (found.difference, found.p) == (0.0, 1.0)


def test_rates_that_never_differ_still_have_an_interval():
    few, many = paired([1] * 20, [1] * 20), paired([1] * 500, [1] * 500)
    grouped = paired([1] * 500, [1] * 500, clusters=np.repeat(np.arange(50), 10))
    assert 0.05 < few.high < 0.2
    assert many.high < grouped.high < few.high


def test_the_interval_of_rates_is_bonett_and_price():
    # 3 gained, 1 lost of 20: up 4/22, down 2/22, difference 1/11; sqrt((6/22 - 1/121) / 22) = 0.10963
    found = paired([0] * 3 + [1] * 17, [1] * 3 + [0] + [1] * 16)
    assert found.difference == pytest.approx(0.1)
    assert found.low == pytest.approx(1 / 11 - 1.959964 * 0.109637, abs=1e-5)
    assert found.test == "exact McNemar"


def test_scores_without_clusters_have_the_paired_t_interval():
    a, b, _ = VALUES["scores"]
    theirs = scipy_stats.ttest_rel(b, a).confidence_interval(0.95)
    assert paired(a, b)[1:3] == pytest.approx(tuple(theirs))


def test_different_numbers_of_items_are_refused_and_none_are_unknown():
    with pytest.raises(ValueError, match="the same items"):
        paired([1, 0], [1])
    assert paired([], []).p == 1.0
    assert paired([], []).to_dict()["difference"] is None


def test_the_test_that_was_made_is_named():
    assert paired([0.1, 0.2], [0.3, 0.1]).test == "sign-flip permutation"
    assert paired([0, 1, 1], [1, 1, 0], clusters="aab").test == "sign-flip permutation by cluster"
    assert paired([], []).test == "none: no items"


def test_thirteen_clusters_are_the_last_of_which_every_pattern_is_tried():
    # all alike: only the two patterns of one sign are as extreme
    assert sign_flip(np.ones(13)) == 2 / 2**13
    assert (sign_flip(np.ones(14)) * 10_001) % 1 == pytest.approx(
        0, abs=1e-6
    )  # a count of the draws, and one


def test_the_unit_of_the_differences_does_not_matter():
    # -1 + 2 + 3 + 4 = 8; of the 16 patterns of signs two come to 8 or -8 and two to 10 or -10
    d = np.array([-0.1, 0.2, 0.3, 0.4])
    assert [sign_flip(d * unit) for unit in (1e-12, 1.0, 1e12)] == [4 / 16] * 3


def test_holm_by_hand():
    # sorted .01 .03 .04: 3 * .01, then max(.03, 2 * .03), then max(.06, .04)
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_rejects_what_the_step_down_rule_rejects():
    rng = np.random.default_rng(5)
    for _ in range(200):
        p = rng.random(6) ** 3
        rejected = np.zeros(6, bool)
        for rank, i in enumerate(np.argsort(p)):
            if p[i] > 0.05 / (6 - rank):
                break
            rejected[i] = True
        assert [q <= 0.05 for q in holm(p)] == rejected.tolist()


def rates(rng, up, down, groups, size):
    """-1/0/1 differences as 0/1 pairs, alike within a cluster more often than by chance."""
    codes = np.repeat(np.arange(groups), size)
    own = rng.dirichlet(np.array([up, down, 1 - up - down]) * 2.0, groups)[codes]
    u = rng.random(len(codes))
    gained, lost = u < own[:, 0], (u >= own[:, 0]) & (u < own[:, 0] + own[:, 1])
    return lost.astype(float), gained.astype(float), codes


@pytest.mark.parametrize(("up", "down"), [(0.02, 0.02), (0.15, 0.05), (0.6, 0.01)])
def test_differences_of_clustered_rates_are_covered(up, down):
    rng, covered = np.random.default_rng(6), 0
    for _ in range(300):
        a, b, codes = rates(rng, up, down, 80, 4)
        found = interval_only(a, b, codes)
        covered += found[0] <= up - down <= found[1]
    assert 0.925 <= covered / 300 <= 1.0


def interval_only(a, b, codes):
    from truenorth.stats.paired import _rates

    return _rates(b - a, codes, 0.95)


@pytest.mark.parametrize("n", [20, 60, 200])
def test_differences_of_rates_are_covered_at_every_mixture(n):
    from truenorth.stats.paired import _rates

    rng = np.random.default_rng(7)
    for up, down in ((0.02, 0.02), (0.1, 0.02), (0.3, 0.3), (0.7, 0.02)):
        counts = rng.multinomial(n, [up, down, 1 - up - down], 500)
        inside = [
            low <= up - down <= high
            for u, v, w in counts
            for low, high in [_rates(np.repeat([1.0, -1.0, 0.0], [u, v, w]), None, 0.95)]
        ]
        assert np.mean(inside) >= 0.93


def test_the_clustered_test_keeps_its_level_where_mcnemar_does_not():
    rng, ours, naive = np.random.default_rng(8), [], []
    for _ in range(200):
        sign = np.repeat(rng.choice([-1, 1], 12), 8)  # whole clusters move together; no true difference
        ours.append(paired((sign < 0) * 1.0, (sign > 0) * 1.0, clusters=np.repeat(np.arange(12), 8)).p)
        naive.append(mcnemar(int((sign > 0).sum()), int((sign < 0).sum())))
    assert np.mean(np.array(ours) < 0.05) <= 0.09
    assert np.mean(np.array(naive) < 0.05) > 0.3


def test_the_normal_limit_of_sign_flips_is_what_many_flips_give(monkeypatch):
    """1,200 differences of several means: by the limit, and by 10,000 flips with the limit out of reach."""
    shifted = [np.random.default_rng(k).random(1200) ** 2 - 0.34 for k in range(4)]
    limits = [sign_flip(d) for d in shifted]
    monkeypatch.setattr(sys.modules["truenorth.stats.paired"], "NORMAL_FROM", 10**9)
    assert [sign_flip(d) for d in shifted] == pytest.approx(limits, abs=0.02)
    assert limits != [sign_flip(d) for d in shifted]
