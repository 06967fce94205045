"""Groups in data: counted as a stream, labelled with intervals, weighted back to a population."""

import numpy as np
import pytest

from truenorth.base import UserError
from truenorth.synth.balance import balance, draw, label_of, weights


def test_counts_and_rates_on_paper():
    groups = ["a"] * 60 + ["b"] * 30 + ["c"] * 10 + [None] * 5
    labels = [i % 2 == 0 for i in range(60)] + [True] * 27 + [False] * 3 + [None] * 10 + [True] * 5
    found = balance(iter(groups), iter(labels))
    assert (found.rows, found.missing, found.unlabelled) == (100, 5, 10)
    a, b, c = found.groups
    assert [g.name for g in found.groups] == ["a", "b", "c"]
    assert (a.share.mean, b.labelled.mean, c.labelled, c.difference) == (0.6, 0.9, None, None)
    assert a.difference.mean == pytest.approx(0.5 - 0.9)
    assert b.difference.mean == pytest.approx(0.9 - 0.5)
    assert a.apart
    assert b.apart
    assert [g.weight for g in found.groups] == pytest.approx([100 / 180, 100 / 90, 100 / 30])


def test_equal_rates_do_not_stand_out_and_many_groups_widen_the_intervals():
    groups = [f"g{i % 20}" for i in range(2000)]
    labels = [i % 40 < 20 for i in range(2000)]  # half of each group
    found = balance(groups, labels)
    assert not any(g.apart for g in found.groups)
    two = balance([g if g == "g0" else "rest" for g in groups], labels)
    wide = next(g for g in found.groups if g.name == "g0").difference
    narrow = next(g for g in two.groups if g.name == "g0").difference
    assert wide.high - wide.low > narrow.high - narrow.low


def test_weights_restore_the_mean_of_the_population():
    rng = np.random.default_rng(0)
    population = {"a": 0.5, "b": 0.3, "c": 0.2}
    value = {"a": 1.0, "b": 5.0, "c": 10.0}  # mean 0.5 + 1.5 + 2 = 4
    groups = rng.choice(["a", "b", "c"], p=[0.8, 0.15, 0.05], size=3000).tolist()
    w = np.array(weights(groups, population=population))
    assert w.mean() == pytest.approx(1)
    assert (w * [value[g] for g in groups]).mean() == pytest.approx(4.0)
    drawn = draw(groups, 300, population=population, seed=1)
    assert len(set(drawn)) == 300
    assert drawn == sorted(drawn)
    share = np.mean([groups[i] == "c" for i in drawn])
    assert 0.13 < share < 0.27  # 0.2; four standard errors are 0.09, and the 150 or so rows of c run low


def test_labels_as_files_have_them():
    assert [label_of(v) for v in (True, "yes", 1, "1.0", 0, "False", None, "")] == [
        True, True, True, True, False, False, None, None,
    ]  # fmt: skip
    with pytest.raises(ValueError, match="'maybe' is neither true nor false"):
        label_of("maybe")


def test_bad_input_is_refused():
    with pytest.raises(UserError, match="no row has a group"):
        balance([None, None])
    with pytest.raises(UserError, match="not as many labels as rows"):
        balance(["a", "b"], [True])
    with pytest.raises(UserError, match="no share for b"):
        balance(["a", "b"], population={"a": 1.0})
    with pytest.raises(UserError, match="3 rows"):
        draw(["a", "b"], 3)
