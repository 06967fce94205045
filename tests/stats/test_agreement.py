"""Agreement and calibration against pencil, scikit-learn and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from truenorth.stats import ece, kappa


def table(counts):
    """Ratings with these counts: rows are a's labels, columns b's."""
    pairs = [(i, j) for i, row in enumerate(counts) for j, n in enumerate(row) for _ in range(n)]
    return [i for i, _ in pairs], [j for _, j in pairs]


def test_kappa_by_hand():
    # agreement 35/50 = .7; chance .5*.6 + .5*.4 = .5; (.7 - .5) / .5 = .4
    assert kappa(*table([[20, 5], [10, 15]])).mean == pytest.approx(0.4)


def test_kappa_equals_scikit_learn_for_any_labels():
    rng = np.random.default_rng(0)
    for labels in (2, 3, 5):
        a, b = rng.integers(0, labels, 60), rng.integers(0, labels, 60)
        b[:30] = a[:30]
        assert kappa(list(a), list(b)).mean == pytest.approx(cohen_kappa_score(a, b))
    assert kappa(["yes", "no", "yes"], ["yes", "no", "no"]).mean == pytest.approx(0.4)


def test_the_width_is_that_of_fleiss_cohen_and_everitt():
    # their 1969 formula for a 2x2 table, term by term
    counts = np.array([[30, 2], [300, 668]])  # uneven labels: that chance is estimated matters
    p, rows, columns = counts / 1000, counts.sum(1) / 1000, counts.sum(0) / 1000
    observed, chance = np.trace(p), rows @ columns
    k = (observed - chance) / (1 - chance)
    first = sum(p[i, i] * (1 - (rows[i] + columns[i]) * (1 - k)) ** 2 for i in range(2))
    cross = sum(p[i, j] * (columns[i] + rows[j]) ** 2 for i in range(2) for j in range(2) if i != j)
    variance = (first + (1 - k) ** 2 * cross - (k - chance * (1 - k)) ** 2) / (1 - chance) ** 2 / 1000
    found = kappa(*table(counts))
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * np.sqrt(variance), rel=0.06)


def test_perfect_agreement_on_few_items_is_not_certain():
    found = kappa([0, 1] * 5, [0, 1] * 5)
    assert found.mean == found.high == pytest.approx(1.0)
    assert 0.3 < found.low < 0.7


def test_kappa_is_unknown_where_only_one_label_was_ever_used():
    assert np.isnan(kappa([1, 1], [1, 1]).mean)
    assert np.isnan(kappa([], []).mean)
    with pytest.raises(ValueError, match="the same items"):
        kappa([1], [1, 0])


def test_clusters_widen_kappa():
    a, b = table([[20, 5], [10, 15]])
    copied = kappa(a * 4, b * 4, clusters=list(range(50)) * 4)
    alone, naive = kappa(a, b), kappa(a * 4, b * 4)
    assert naive.high - naive.low < alone.high - alone.low <= copied.high - copied.low


@pytest.mark.parametrize("n", [40, 150])
@pytest.mark.parametrize("accuracy", [0.6, 0.85, 0.97])
def test_kappa_is_covered(n, accuracy):
    rng, prevalence = np.random.default_rng(1), 0.4
    b_yes = prevalence * accuracy + (1 - prevalence) * (1 - accuracy)
    chance = prevalence * b_yes + (1 - prevalence) * (1 - b_yes)
    truth, inside = (accuracy - chance) / (1 - chance), []
    for _ in range(400):
        a = rng.random(n) < prevalence
        b = np.where(rng.random(n) < accuracy, a, ~a)
        found = kappa(a.tolist(), b.tolist())
        inside.append(found.low <= truth <= found.high)
    assert 0.925 <= np.mean(inside) <= 0.985


def test_ece_by_hand():
    # bin .95: accuracy .5, gap .45, weight 1/2; bin .65: accuracy 1, gap .35, weight 1/2
    assert ece([0.95, 0.95, 0.65, 0.65], [1, 0, 1, 1]) == pytest.approx(0.40)
    # one bin for all: |.75 - .8|
    assert ece([0.95, 0.95, 0.65, 0.65], [1, 0, 1, 1], bins=1) == pytest.approx(0.05)


def test_bins_are_closed_on_the_right_and_zero_is_in_the_first():
    assert ece([0.0, 0.1], [0, 0], bins=10) == pytest.approx(0.05)
    assert ece([0.1, 0.11], [1, 0], bins=10) == pytest.approx((0.9 + 0.11) / 2)


def test_perfect_confidence_has_no_error_and_bad_ones_are_refused():
    assert ece([1.0, 0.0, 1.0], [1, 0, 1]) == 0.0
    with pytest.raises(ValueError, match="probabilities"):
        ece([1.2], [1])
    with pytest.raises(ValueError, match="at least one"):
        ece([], [])
