"""Detectors against labels: values from pencil and scikit-learn, coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

from truenorth.stats import auroc, average_precision, detection


def test_the_rates_are_shares_of_the_table():
    """3 found, 1 missed, 2 false alarms, 4 let be: 3/5, 3/4, 4/6, 2 * 3 / (2 * 3 + 1 + 2), 7/10."""
    flagged = [1, 1, 1, 0, 1, 1, 0, 0, 0, 0]
    truth = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    found = detection(flagged, truth)
    assert [e.mean for e in found] == pytest.approx([3 / 5, 3 / 4, 4 / 6, 6 / 9, 7 / 10])
    assert [e.n for e in found[:3]] == [5, 4, 6]
    assert all(e.low < e.mean < e.high for e in found)


def test_what_was_never_flagged_has_no_precision_and_is_not_zero():
    found = detection([0, 0, 0], [1, 0, 0])
    assert np.isnan(found.precision.mean)
    assert (found.recall.mean, found.f1.mean, found.specificity.mean) == (0, 0, 1)
    assert np.isnan(auroc([1, 2], [1, 1]).mean)
    assert np.isnan(average_precision([1, 2], [0, 0]).mean)
    with pytest.raises(ValueError, match="threshold"):
        detection([0.2], [1])
    with pytest.raises(ValueError, match="labels"):
        auroc([0.2], [2])


@pytest.mark.parametrize("n", [2, 7, 400])
@pytest.mark.parametrize("digits", [0, 1, 9])
def test_areas_are_scikit_learns_with_ties_or_without(n, digits):
    rng = np.random.default_rng(n)
    y = (rng.random(n) < 0.3).astype(int)
    y[:2] = [0, 1]
    s = np.round(rng.normal(size=n) + y, digits)
    assert auroc(s, y).mean == pytest.approx(roc_auc_score(y, s))
    assert average_precision(s, y).mean == pytest.approx(average_precision_score(y, s))
    rates = precision_recall_fscore_support(y, s > 0, average="binary", zero_division=np.nan)
    found = detection((s > 0).astype(int), y)
    ours = [found.precision.mean, found.recall.mean, found.f1.mean]
    assert ours == pytest.approx([float(r) for r in rates[:3]], nan_ok=True)


def test_the_areas_error_is_delongs():
    """DeLong's variance: var(placements of what is so) / m + var(placements of the rest) / n, on the log-odds scale,
    whose t has as many degrees of freedom as the rarer side has items but one."""
    rng = np.random.default_rng(1)
    up, down = rng.normal(1, 1, 400), rng.normal(0, 1, 500)
    above = (up[:, None] > down).astype(float)
    area = above.mean()
    se = np.sqrt(above.mean(1).var(ddof=1) / 400 + above.mean(0).var(ddof=1) / 500)
    found = auroc([*up, *down], [1] * 400 + [0] * 500)
    half = 1.966 * se / (area * (1 - area))  # t with 399 degrees of freedom
    odds = np.log(area / (1 - area))
    assert (found.low, found.high) == pytest.approx(
        (1 / (1 + np.exp(half - odds)), 1 / (1 + np.exp(-half - odds))), abs=5e-4
    )


@pytest.mark.parametrize("area", [auroc, average_precision])
def test_a_perfect_order_is_not_certain(area):
    found = area([1, 2, 3, 4], [0, 0, 1, 1])
    assert found.mean == 1
    assert found.low == pytest.approx(2 / (2 + 3.8415), abs=1e-3)  # Wilson, 2 of 2


@pytest.mark.parametrize(
    ("area", "reference"), [(auroc, roc_auc_score), (average_precision, average_precision_score)]
)
@pytest.mark.parametrize("tied", [1, 4])
def test_intervals_of_areas_hold_the_truth_as_often_as_they_say(area, reference, tied):
    """400 items, 30 % so, log-odds of the score 1 apart; with `tied`, items come in fours with a label and a mood of
    their own. The truth from 400,000 items."""
    rng, runs = np.random.default_rng(2), 400

    def made(n):
        group = np.repeat(np.arange(n // tied), tied)
        y = (rng.random(n // tied) < 0.3).astype(int)[group]
        mood = rng.normal(size=n // tied)[group] if tied > 1 else 0.0
        return rng.normal(size=n) + mood + y, y, group

    s, y, _ = made(400_000)
    truth = reference(y, s)
    held = 0
    for _ in range(runs):
        s, y, group = made(400)
        found = area(s, y, clusters=group)
        held += found.low <= truth <= found.high
    assert 0.92 <= held / runs <= 0.98


def test_the_interval_of_f1_holds_the_truth():
    """True rate 0.2, sensitivity 0.7, false alarms 0.1: F1 = 2 * 0.14 / (0.2 + 0.22)."""
    rng, runs, truth = np.random.default_rng(3), 400, 2 * 0.14 / 0.42
    held = 0
    for _ in range(runs):
        y = rng.random(300) < 0.2
        f = np.where(y, rng.random(300) < 0.7, rng.random(300) < 0.1)
        found = detection(f.astype(int), y.astype(int)).f1
        held += found.low <= truth <= found.high
    assert 0.93 <= held / runs <= 0.98
