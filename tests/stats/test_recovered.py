"""The gap recovered: by hand, at its ends, and where it says nothing."""

import pytest

from truenorth.stats.recovered import gap_recovered

WEAK, CEILING = [0, 0, 0, 1] * 60, [1, 1, 0, 1] * 60  # accuracies 1/4 and 3/4


@pytest.mark.parametrize(
    ("student", "wanted"),
    [
        (WEAK, 0.0),
        (CEILING, 1.0),
        ([1, 0, 0, 1] * 60, 0.5),  # (1/2 - 1/4) / (3/4 - 1/4)
        ([0, 0, 0, 0] * 60, -0.5),
        ([1, 1, 1, 1] * 60, 1.5),
    ],
)
def test_the_share_of_the_gap_is_by_hand(student, wanted):
    found = gap_recovered(WEAK, student, CEILING)
    assert found is not None
    assert found.mean == pytest.approx(wanted)
    assert found.low <= found.mean <= found.high


def test_a_gap_within_its_noise_gives_no_ratio():
    assert gap_recovered([0, 1, 0, 1], [1, 1, 0, 1], [1, 1, 0, 1]) is None
    assert gap_recovered(WEAK, WEAK, WEAK) is None


def test_items_of_one_cluster_count_as_one():
    student = [1, 0, 0, 1] * 60
    alone = gap_recovered(WEAK, student, CEILING)
    together = gap_recovered(WEAK, student, CEILING, clusters=[i // 4 for i in range(240)])
    assert alone is not None
    assert together is not None
    assert together.high - together.low < alone.high - alone.low  # every cluster is the same four items
    assert together.high == pytest.approx(0.5)


def test_three_systems_need_the_same_items():
    with pytest.raises(ValueError, match="same items"):
        gap_recovered([1, 0], [1], [1, 0])
