"""Elo ratings as a stream makes them: each vote moves the two ratings a little.

They depend on the order of the votes and on K; for votes that are all at hand `bradley_terry` is the estimate
that Elo approaches. Sources: Elo (1978); the bootstrap gives each cluster of votes the weight with which it was
drawn, in the order in which the votes came.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from truenorth.stats.estimate import Clusters, codes_of
from truenorth.stats.ratings import Ladder, Names, _coded


def elo(
    first: Names,
    second: Names,
    outcome: ArrayLike,
    *,
    k: float = 4.0,
    clusters: Clusters | None = None,
    draws: int = 100,
    level: float = 0.95,
    seed: int = 0,
) -> Ladder:
    """Ratings after all votes, from 1000 each.

    Args:
        outcome: 1 the first won, 0 the second, 0.5 a tie, or a share between.
        k: points at stake in a vote; 4 for boards of many votes, 16 to 32 for few.

    >>> ladder = elo(["a"], ["b"], [1.0], k=32, draws=1)
    >>> ladder.rating_M.tolist()
    [1016.0, 984.0]
    """
    y = np.asarray(outcome, dtype=np.float64)
    names, code = _coded(first, second)
    a, b = code[: len(y)].tolist(), code[len(y) :].tolist()
    codes = codes_of(clusters, len(y))
    codes = np.arange(len(y)) if codes is None else codes
    groups, rng = int(codes.max()) + 1, np.random.default_rng(seed)
    drawn = [np.bincount(rng.integers(0, groups, groups), minlength=groups) for _ in range(draws)]
    weight_GB = k * np.stack([np.ones(groups), *drawn], axis=1)
    rating_MB = np.full((len(names), draws + 1), 1000.0)
    for i, j, won, g in zip(a, b, y.tolist(), codes.tolist()):
        expected = 1 / (1 + 10 ** ((rating_MB[j] - rating_MB[i]) / 400))
        moved = weight_GB[g] * (won - expected)
        rating_MB[i] += moved
        rating_MB[j] -= moved
    votes_M = np.bincount(code, minlength=len(names))
    return Ladder(names, rating_MB[:, 0], rating_MB[:, 1:].T, votes_M, float("nan"), level)
