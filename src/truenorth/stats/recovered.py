"""Performance gap recovered: how much of what separates a weak supervisor from a strong ceiling its student has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from truenorth.stats.estimate import Estimate, codes_of, values_of

DRAWS = 4000
CLEAR = 3.0  # standard errors that the gap must have, or the ratio says nothing


def gap_recovered(
    weak: ArrayLike,
    student: ArrayLike,
    ceiling: ArrayLike,
    *,
    clusters: Sequence[object] | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate | None:
    """(student - weak) / (ceiling - weak) over the same items, with a percentile bootstrap over clusters.

    None where the gap between ceiling and weak is less than three standard errors: the ratio is noise there.

    Source: Burns et al. 2023 (arXiv:2312.09390), section 3.

    >>> found = gap_recovered([0, 0, 0, 1] * 50, [1, 0, 0, 1] * 50, [1, 1, 0, 1] * 50)
    >>> round(found.mean, 6)
    0.5
    """
    three = [values_of(x) for x in (weak, student, ceiling)]
    n = len(three[0])
    if len({len(x) for x in three}) > 1:
        raise ValueError(
            f"{', '.join(str(len(x)) for x in three)} values; expected the same items in all three"
        )
    codes = codes_of(clusters, n)
    codes_N = np.arange(n) if codes is None else np.asarray(codes)
    groups = int(codes_N.max()) + 1 if n else 0
    if groups < 2:
        return None
    sums_GK = np.stack([np.bincount(codes_N, x, groups) for x in three], axis=1)
    draws_DG = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), size=DRAWS)
    weak_D, student_D, ceiling_D = (draws_DG @ sums_GK).T
    gap_D = ceiling_D - weak_D
    whole = sums_GK.sum(0)
    gap = float(whole[2] - whole[0])
    if abs(gap) < CLEAR * float(gap_D.std()) or not gap:
        return None
    ratio_D = (student_D - weak_D)[gap_D != 0] / gap_D[gap_D != 0]
    low, high = np.quantile(ratio_D, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(whole[1] - whole[0]) / gap, float(low), float(high), n)
