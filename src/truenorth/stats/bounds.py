"""What the unscored items could do to a number: every one of them at its worst, every one at its best.

Source: Manski (1989), bounds without assumptions on what is missing; the interval covers the whole range of
possible values (Horowitz and Manski 2000), so it is wider than one that takes the missing for average.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from truenorth.stats.estimate import Clusters, Estimate, mean
from truenorth.stats.paired import Paired, paired

Scores = list[float | None]


class Bounds(NamedTuple):
    """A mean with its missing scores left out, all at their worst, and all at their best."""

    scored: Estimate
    worst: Estimate
    best: Estimate

    @property
    def interval(self) -> tuple[float, float]:
        """Covers the mean of all items whatever the missing ones would have scored."""
        return self.worst.low, self.best.high


class PairedBounds(NamedTuple):
    """b - a with unscored items left out, all against b, and all for b."""

    scored: Paired
    worst: Paired
    best: Paired

    @property
    def settled(self) -> bool:
        """Whether no scores of the missing items could undo the sign of the difference."""
        return self.worst.low > 0 or self.best.high < 0


def bounds(
    scores: Scores,
    *,
    low: float = 0.0,
    high: float = 1.0,
    clusters: Clusters | None = None,
    level: float = 0.95,
) -> Bounds:
    """The mean of `scores`, None where there is no score, and how far the missing ones could move it.

    Args:
        low, high: the least and the greatest score there can be.

    >>> found = bounds([1, 0, None, 1])
    >>> found.worst.mean, found.best.mean, found.scored.abstained
    (0.5, 0.75, 1)
    """
    known = [i for i, score in enumerate(scores) if score is not None]
    labels = None if clusters is None else [clusters[i] for i in known]
    return Bounds(
        mean(
            [score for score in scores if score is not None],
            clusters=labels,
            level=level,
            abstained=len(scores) - len(known),
        ),
        mean(_filled(scores, low), clusters=clusters, level=level),
        mean(_filled(scores, high), clusters=clusters, level=level),
    )


def paired_bounds(
    a: Scores,
    b: Scores,
    *,
    low: float = 0.0,
    high: float = 1.0,
    clusters: Clusters | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> PairedBounds:
    """b - a item by item, and how far the items that a or b has no score for could move it.

    Raises:
        ValueError: not as many scores of a as of b.
    """
    if len(a) != len(b):
        raise ValueError(f"{len(a)} scores of a, {len(b)} of b; expected the same items in both")
    known = [i for i in range(len(a)) if a[i] is not None and b[i] is not None]
    labels = None if clusters is None else [clusters[i] for i in known]
    how = {"level": level, "seed": seed}
    return PairedBounds(
        paired([a[i] for i in known], [b[i] for i in known], clusters=labels, **how),  # type: ignore[arg-type]
        paired(_filled(a, high), _filled(b, low), clusters=clusters, **how),  # type: ignore[arg-type]
        paired(_filled(a, low), _filled(b, high), clusters=clusters, **how),  # type: ignore[arg-type]
    )


def _filled(scores: Scores, value: float) -> np.ndarray:
    return np.array([value if score is None else score for score in scores], dtype=np.float64)
