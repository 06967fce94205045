"""Which weights are kept: the last look before the second judge clearly falls."""

from __future__ import annotations

import math

import pytest

from truenorth.recipes.training import Point, peak


def looks(*means: float, half: float = 0.04) -> list[Point]:
    return [Point(k, (0.9, 0.8, 1.0), (m, m - half, m + half), 1.0, 20.0) for k, m in enumerate(means)]


@pytest.mark.parametrize(
    ("means", "kept"),
    [
        ((0.50, 0.60, 0.70), 2),  # it rises to the end
        ((0.50, 0.60, 0.55), 2),  # a fall within noise: intervals of the best and the last meet
        ((0.50, 0.70, 0.60), 1),  # a real fall: they do not
        ((0.70, 0.60, 0.65), 2),
        ((0.70, 0.60, 0.55), 0),
    ],
)
def test_training_ends_at_the_last_look_that_is_not_clearly_worse_than_the_best(means, kept):
    assert peak(looks(*means)).step == kept


def test_a_look_at_which_the_second_judge_was_silent_hides_no_fall():
    """Its interval is the whole line: it is no best look, wherever it stands."""
    silent = (math.nan, -math.inf, math.inf)
    for where in range(2):
        points = looks(0.7, 0.7, 0.5)
        points[where] = points[where]._replace(second=silent)
        assert peak(points).step == 1
    assert peak([p._replace(second=silent) for p in looks(0.1, 0.2)]).step == 1
