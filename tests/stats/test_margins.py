"""Non-inferiority and equivalence: published intervals, the likelihood itself, and coverage by exact sums."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize
from scipy import stats as scipy_stats

from truenorth.stats import equivalent, non_inferior, paired_rates_difference, rates_difference
from truenorth.stats.margins import score_z, tango_z


def test_the_interval_of_two_rates_is_newcombes_printed_example():
    """Newcombe (1998), table II, 56/70 against 48/80: Miettinen-Nurminen 0.0528 to 0.3382."""
    found = rates_difference(48, 80, 56, 70)
    assert (found.low, found.high) == pytest.approx((0.0528, 0.3382), abs=5e-5)


def _z_by_the_cubic(delta: float, *, slip: bool) -> float:
    """56/70 against 48/80 at a difference of delta: the cubic as statsmodels 0.15 writes it, with `slip`, or as
    Miettinen and Nurminen (1985) do: the number of trials where statsmodels has the successes, in the linear term."""
    x0, n0, x1, n1 = 48, 80, 56, 70
    x, n = x0 + x1, n0 + n1
    linear = ((x0 if slip else n0) * delta - n - 2 * x0) * delta + x
    cubic = [n, (n1 + 2 * n0) * delta - n - x, linear, x0 * delta * (1 - delta)]
    p0 = next(r.real for r in np.roots(cubic) if 0 < r.real < 1 and 0 < r.real + delta < 1)
    p1 = p0 + delta
    variance = (p0 * (1 - p0) / n0 + p1 * (1 - p1) / n1) * n / (n - 1)
    return (x1 / n1 - x0 / n0 - delta) / np.sqrt(variance)


@pytest.mark.parametrize(("slip", "published"), [(False, (0.0528, 0.3382)), (True, (0.0526, 0.3440))])
def test_statsmodels_interval_has_a_slip_and_newcombes_has_not(slip, published):
    """Both intervals by their cubics; and statsmodels' own where it is installed."""
    ends = [
        optimize.brentq(lambda d, z=z: _z_by_the_cubic(d, slip=slip) - z, *between)
        for z, between in ((1.959964, (0.01, 0.15)), (-1.959964, (0.25, 0.45)))
    ]
    assert ends == pytest.approx(published, abs=5e-5)
    if slip:
        proportion = pytest.importorskip("statsmodels.stats.proportion")
        theirs = proportion.confint_proportions_2indep(56, 70, 48, 80, method="score", compare="diff")
        assert ends == pytest.approx(theirs, abs=1e-5)


def test_the_variance_of_two_rates_is_at_the_likeliest_rates_under_the_difference():
    """Against a plain search. statsmodels 0.15 gives -1.3431 here."""
    s_a, n_a, s_b, n_b, delta = 56, 70, 48, 80, -0.1

    def lost(p: float) -> float:
        law = scipy_stats.binom.logpmf
        return -(law(s_b, n_b, p) + law(s_a, n_a, p - delta))

    p = optimize.minimize_scalar(
        lost, bounds=(1e-9, 0.9 - 1e-9), method="bounded", options={"xatol": 1e-12}
    ).x
    variance = p * (1 - p) / n_b + (p - delta) * (1 - p + delta) / n_a
    z = (s_b / n_b - s_a / n_a - delta) / np.sqrt(variance)
    assert score_z(s_a, n_a, s_b, n_b, delta) == pytest.approx(z, abs=1e-5)
    assert z == pytest.approx(-1.3477, abs=1e-4)


@pytest.mark.parametrize("delta", [-0.3, 0.1, 0.25])
def test_tangos_variance_is_at_the_likeliest_shares_under_the_difference(delta):
    gained, lost, n = 9, 4, 40

    def loss(down: float) -> float:
        up = down + delta
        return -(gained * np.log(up) + lost * np.log(down) + (n - gained - lost) * np.log(1 - up - down))

    low, high = max(1e-9, 1e-9 - delta), (1 - delta) / 2 - 1e-9
    down = optimize.minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    z = (gained - lost - n * delta) / np.sqrt(n * (2 * down + delta - delta**2))
    assert tango_z(gained, lost, n, delta) == pytest.approx(z, abs=1e-4)


def test_no_discordant_pair_leaves_z_squared_over_n_plus_z_squared():
    """b = c = 0: Tango's limit solves n d^2 / (d (1 - d)) = z^2, so d = z^2 / (n + z^2)."""
    assert paired_rates_difference(0, 0, 14).high == pytest.approx(3.8415 / 17.8415, abs=1e-4)


def test_the_difference_of_independent_rates_is_covered_by_exact_sums():
    n_a, n_b = 20, 30
    tables = {(i, j): rates_difference(i, n_a, j, n_b) for i in range(n_a + 1) for j in range(n_b + 1)}
    shares = []
    for p, q in [(0.1, 0.2), (0.3, 0.3), (0.5, 0.8), (0.7, 0.6), (0.9, 0.85)]:
        law_a, law_b = (
            scipy_stats.binom.pmf(range(n_a + 1), n_a, p),
            scipy_stats.binom.pmf(range(n_b + 1), n_b, q),
        )
        held = sum(law_a[i] * law_b[j] for (i, j), e in tables.items() if e.low <= q - p <= e.high)
        shares.append(held)
    assert all(0.93 <= share <= 0.97 for share in shares), shares


def test_the_difference_of_paired_rates_is_covered_by_exact_sums():
    n, shares = 25, []
    cells = [(g, lost) for g in range(n + 1) for lost in range(n + 1 - g)]
    found = {cell: paired_rates_difference(*cell, n) for cell in cells}
    for up, down in [(0.15, 0.1), (0.3, 0.1), (0.25, 0.25), (0.1, 0.3)]:
        law = scipy_stats.multinomial(n, [up, down, 1 - up - down])
        held = [cell for cell, e in found.items() if e.low <= up - down <= e.high]
        shares.append(sum(law.pmf([g, lost, n - g - lost]) for g, lost in held))
    assert all(0.93 <= share <= 0.975 for share in shares), shares


def test_a_claim_on_the_margin_is_made_in_at_most_its_share():
    """True loss exactly the margin, 0.1: the one-sided test at 2.5 % claims non-inferiority about so often."""
    n, up, down = 60, 0.1, 0.2
    law = scipy_stats.multinomial(n, [up, down, 1 - up - down])
    claimed = 0.0
    for gained in range(n + 1):
        for lost in range(n + 1 - gained):
            if tango_z(gained, lost, n, -0.1) >= 1.959964:
                claimed += law.pmf([gained, lost, n - gained - lost])
    assert 0.015 < claimed < 0.032


def test_the_claim_the_interval_and_the_p_agree():
    rng = np.random.default_rng(0)
    a = rng.random(80) < 0.8
    for flipped in (0, 3, 8, 20):
        b = a.copy()
        b[:flipped] = ~b[:flipped]
        for paired in (True, False):
            lower = non_inferior(a, b, margin=0.1, paired=paired)
            assert lower.shown == (lower.p <= 0.025) == (lower.low > -0.1)
            both = equivalent(a, b, margin=0.1, paired=paired)
            assert both.shown == (both.p <= 0.05) == (both.low > -0.1 and both.high < 0.1)


def test_means_are_welchs_and_paired_t_tests():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=30), rng.normal(0.2, 2, size=45)
    found = non_inferior(a, b, margin=0.5, paired=False)
    theirs = scipy_stats.ttest_ind(b + 0.5, a, equal_var=False, alternative="greater")
    assert found.p == pytest.approx(theirs.pvalue)
    found = equivalent(a, b[:30], margin=0.5)
    lower = scipy_stats.ttest_1samp(b[:30] - a, -0.5, alternative="greater").pvalue
    upper = scipy_stats.ttest_1samp(b[:30] - a, 0.5, alternative="less").pvalue
    assert found.p == pytest.approx(max(lower, upper))


def test_clusters_widen_what_repeated_rows_would_narrow():
    a, b = [1, 0, 1, 1, 0, 1], [1, 1, 0, 1, 0, 0]
    once = non_inferior(a * 2, b * 2, margin=0.3)
    tied = non_inferior(a * 2, b * 2, margin=0.3, clusters=list(range(6)) * 2)
    assert tied.high - tied.low > once.high - once.low


def test_impossible_counts_margins_and_groups_are_refused():
    with pytest.raises(ValueError, match="margin 0"):
        non_inferior([1, 0], [1, 0], margin=0)
    with pytest.raises(ValueError, match="successes"):
        rates_difference(3, 2, 0, 1)
    with pytest.raises(ValueError, match="same items"):
        equivalent([1, 0, 1], [1, 0], margin=0.1)
    with pytest.raises(ValueError, match="every difference is the same"):
        non_inferior([2.0, 4.0], [3.0, 5.0], margin=0.2)
