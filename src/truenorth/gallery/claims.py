"""Whether a row moves a gold score: a claim with its rule stated beforehand, and what would settle an open one.

Moved: the same sign in each of three seeds or more, and a pooled 99 % interval, paired by question and clustered by
entity, on that side of zero. Not moved: the interval lies within two points of zero. Else it cannot be told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Literal, NamedTuple

from scipy.stats import norm

from truenorth.base import UserError
from truenorth.stats import Paired, needed_n_mean, paired

LEVEL = 0.99
SEEDS = 3
MARGIN = 0.02  # a score that stays within two points has not moved
Verdict = Literal["raised", "lowered", "unmoved", "cannot tell"]


class Question(NamedTuple):
    """One question under one seed: its score with the first model and with the second, and what it is about."""

    before: float
    after: float
    cluster: str


class Claim(NamedTuple):
    """What three seeds say of one score.

    Args:
        pooled: all seeds as one comparison, with its 99 % interval.
        seeds: the difference in each seed, in their order.
        more: further questions, each asked in every seed, that would settle an open claim; 0: more seeds would.
    """

    verdict: Verdict
    pooled: Paired
    seeds: tuple[float, ...]
    more: int = 0


def claim(seeds: Sequence[Sequence[Question]]) -> Claim:
    """What the answers under each seed say.

    Seeds do not make more entities: a question's answers under all seeds share its cluster.

    Raises:
        UserError: no questions.
    """
    rows = [row for seed in seeds for row in seed]
    if not rows or not all(seeds):
        raise UserError("no answers to compare", where="gallery")
    before, after, clusters = (list(column) for column in zip(*rows))
    pooled = paired(before, after, clusters=clusters, level=LEVEL)
    signs = tuple(fmean(row.after - row.before for row in seed) for seed in seeds)
    enough = len(seeds) >= SEEDS
    if enough and pooled.low > 0 and min(signs) > 0:
        return Claim("raised", pooled, signs)
    if enough and pooled.high < 0 and max(signs) < 0:
        return Claim("lowered", pooled, signs)
    if enough and pooled.low > -MARGIN and pooled.high < MARGIN:
        return Claim("unmoved", pooled, signs)
    told = pooled.low > 0 or pooled.high < 0
    return Claim("cannot tell", pooled, signs, 0 if told else more_questions(pooled, len(seeds)))


def more_questions(pooled: Paired, seeds: int) -> int:
    """Further questions that would show the difference seen, or that it is within two points: whichever is nearer.

    With a power of 80 %, were the difference seen the true one.
    """
    half = (pooled.high - pooled.low) / 2
    if not math.isfinite(half) or half == 0:
        return 0
    sd = half / float(norm.ppf(0.5 + LEVEL / 2)) * math.sqrt(pooled.n)
    distances = [d for d in (abs(pooled.difference), MARGIN - abs(pooled.difference)) if d > 1e-6]
    planned = min(needed_n_mean(d, sd=sd, level=LEVEL) for d in distances)
    return max(1, math.ceil((planned - pooled.n) / seeds))
