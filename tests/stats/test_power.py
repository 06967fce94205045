"""Sizes from published tables; non-inferiority verdicts; prediction-powered means."""

from __future__ import annotations

import numpy as np
import pytest

from truenorth.stats import (
    Paired,
    detectable,
    kept,
    needed_n,
    needed_n_mean,
    needed_n_paired,
    paired,
    ppi_mean,
)


@pytest.mark.parametrize(
    ("rate", "difference", "n"),
    [
        (0.5, 0.01, 39240),
        (0.5, 0.02, 9806),
        (0.5, 0.05, 1565),
        (0.5, 0.1, 388),
        (0.1, 0.02, 3841),
        (0.1, 0.1, 199),
    ],
)
def test_sizes_of_two_groups_are_those_of_the_table(rate, difference, n):
    assert needed_n(difference, rate=rate) == pytest.approx(n, abs=1)


@pytest.mark.parametrize(
    ("discordant", "difference", "n"),
    [(0.2, 0.02, 3923), (0.2, 0.05, 626), (0.1, 0.02, 1960), (0.3, 0.05, 940)],
)
def test_sizes_of_paired_rates_are_those_of_the_table(discordant, difference, n):
    assert needed_n_paired(difference, discordant=discordant) == pytest.approx(n, abs=1)


def test_a_mean_difference_needs_what_detects_it():
    assert detectable(400, sd=1.0) == pytest.approx(2.80 / 20, abs=1e-3)
    assert needed_n_mean(detectable(400, sd=1.0), sd=1.0) in (400, 401)


def test_impossible_questions_are_refused():
    with pytest.raises(ValueError, match="infinitely many"):
        needed_n(0.0, rate=0.5)
    with pytest.raises(ValueError, match="at least"):
        needed_n_paired(0.3, discordant=0.1)
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        needed_n(0.6, rate=0.5)
    with pytest.raises(ValueError, match="above 0"):
        kept(Paired(0, -1, 1, 1.0, 10, ""), margin=0)


def test_the_planned_number_of_pairs_has_the_planned_power():
    n, rng = needed_n_paired(0.1, discordant=0.3), np.random.default_rng(0)
    counts = rng.multinomial(n, [0.2, 0.1, 0.7], 2000)
    z = (counts[:, 0] - counts[:, 1]) / np.sqrt(counts[:, 0] + counts[:, 1])
    assert (np.abs(z) > 1.96).mean() == pytest.approx(0.8, abs=0.04)


def test_kept_says_yes_no_or_how_many_more():
    def say(low, high):
        return kept(Paired((low + high) / 2, low, high, 0.5, 300, "t"), margin=0.02)

    assert say(-0.019, 0.01).verdict == "yes"
    assert say(-0.10, -0.021).verdict == "no"
    unsure = say(-0.05, 0.05)
    assert unsure.verdict == "cannot tell"
    # half-width .05 = 1.96 sd / sqrt(300); (1.96 + .84)^2 sd^2 / .02^2 = 300 * (2.80 / 1.96 * .05 / .02)^2
    assert unsure.more == pytest.approx(300 * (2.8016 / 1.9600 * 2.5) ** 2 - 300, abs=2)
    assert str(unsure) == f"kept within 2 points: cannot tell, need {unsure.more:,} more"
    assert str(say(-0.01, 0.01)) == "kept within 2 points: yes"


def test_a_loss_on_the_margin_itself_cannot_be_told():
    found = kept(Paired(-0.02, -0.025, -0.015, 0.0, 5000, "t"), margin=0.02)
    assert (found.verdict, found.more) == ("cannot tell", -1)
    assert str(found).endswith("the loss is the margin itself")


def test_no_items_cannot_tell():
    found = kept(paired([], []), margin=0.02)
    assert found.verdict == "cannot tell"
    assert found.more > 0


def test_identical_answers_on_few_items_are_no_proof_that_all_was_kept():
    assert kept(paired([1] * 30, [1] * 30)).verdict == "cannot tell"
    assert kept(paired([1] * 300, [1] * 300)).verdict == "yes"


def test_a_true_loss_beyond_the_margin_is_seldom_called_kept():
    rng, said = np.random.default_rng(1), []
    for _ in range(400):
        lost = rng.random(600) < 0.05
        said.append(kept(paired(np.ones(600), 1.0 - lost), margin=0.05).verdict == "yes")
    assert np.mean(said) <= 0.045


def test_a_judge_that_is_always_right_counts_every_judgement():
    rng = np.random.default_rng(2)
    y, others = rng.random(50), rng.random(500)
    assert ppi_mean(y, y, others, trust=1.0).mean == pytest.approx(others.mean())


def test_no_trust_leaves_the_labels_alone():
    rng = np.random.default_rng(3)
    y, f, others = rng.random(50), rng.random(50), rng.random(500)
    assert ppi_mean(y, f, others, trust=0.0).mean == pytest.approx(y.mean())
    assert ppi_mean(y, np.full(50, 0.7), np.full(500, 0.7)).mean == pytest.approx(y.mean())


def test_a_constant_added_to_the_judge_changes_nothing():
    rng = np.random.default_rng(4)
    y, others = rng.random(40), rng.random(300)
    f = y + rng.normal(0, 0.1, 40)
    assert ppi_mean(y, f, others) == pytest.approx(ppi_mean(y, f + 5, others + 5))


def test_the_interval_is_that_of_the_paper_by_hand():
    # residuals 1 -1 0 4, centre 2 + 1 = 3; variances 1 over 2 others, 14/3 over 4 labels; t of 3 df: 3.182
    y, f, others = [2.0, 1.0, 4.0, 7.0], [1.0, 2.0, 4.0, 3.0], [1.0, 3.0]
    found = ppi_mean(y, f, others, trust=1.0)
    assert found.mean == pytest.approx(3.0)
    half = 3.182446 * np.sqrt(1 / 2 + 14 / 3 / 4)
    assert found.high - found.mean == pytest.approx(half, abs=1e-5)


def test_the_judge_is_trusted_as_far_as_the_paper_says():
    # y 0 2 1, f 0 1 2: covariance (0 + 2 + 2) / 3 - 1 = 1/3; pooled variance of 0 1 2 0 1 2: 4 / 5
    # trust (1/3) / ((1 + 3/3) * 4/5) = 5/24
    y, f, others = [0.0, 2.0, 1.0], [0.0, 1.0, 2.0], [0.0, 1.0, 2.0]
    assert ppi_mean(y, f, others) == pytest.approx(ppi_mean(y, f, others, trust=5 / 24))


def test_a_good_judge_narrows_the_interval_and_a_useless_one_does_not_widen_it_much():
    rng = np.random.default_rng(5)
    y, truth = rng.normal(size=200), rng.normal(size=5000)
    alone = ppi_mean(y, y, truth, trust=0.0)
    good = ppi_mean(y, y + rng.normal(0, 0.3, 200), truth + rng.normal(0, 0.3, 5000))
    useless = ppi_mean(y, rng.normal(size=200), rng.normal(size=5000))
    assert good.high - good.low < 0.5 * (alone.high - alone.low)
    assert useless.high - useless.low < 1.05 * (alone.high - alone.low)


@pytest.mark.parametrize("n", [25, 200])
@pytest.mark.parametrize(("rate", "agreement"), [(0.5, 0.8), (0.9, 0.95), (0.95, 0.6)])
def test_debiased_rates_are_covered_however_wrong_the_judge(n, rate, agreement):
    rng, inside = np.random.default_rng(6), []
    for _ in range(400):
        y = rng.random(n + 2000) < rate
        f = np.where(rng.random(len(y)) < agreement, y, ~y)
        found = ppi_mean(y[:n], f[:n], f[n:])
        inside.append(found.low <= rate <= found.high)
    assert np.mean(inside) >= 0.925  # few labels and a rate near 1 make it conservative


def test_mismatched_labels_are_refused():
    with pytest.raises(ValueError, match="as many labels"):
        ppi_mean([1, 0], [1], [1, 1])
    with pytest.raises(ValueError, match="at least one other"):
        ppi_mean([1, 0], [1, 0], [])
