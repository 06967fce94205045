"""What the task-arithmetic family shares: changes of a base, weighed, reconciled in sign, and added up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from truenorth.edit.arrays import Array, library

TINY = 1e-7


def total(
    changes: Sequence[Array],
    base: Array,
    *,
    weight: Sequence[float],
    elect: bool,
    normalize: bool,
    lambda_: float,
) -> Array:
    """The base plus the weighed changes.

    Args:
        elect: keep, element by element, only the changes whose sign is that of their weighed sum (a sum of
            zero counts as positive).
        normalize: divide by the sum of the weights that took part.
        lambda_: times this.

    Source: Yadav et al. 2023 (arXiv:2306.01708), algorithm 1, with the signs elected after weighing and the
    divisor a sum of weights rather than a count, as mergekit 0.1.5 does.
    """
    weighed = [change * w for change, w in zip(changes, weight)]
    mixed = weighed[0]
    for more in weighed[1:]:
        mixed = mixed + more
    if not elect:
        divisor = sum(weight)
        if normalize and abs(divisor) >= 1e-8:
            mixed = mixed / divisor
    else:
        mixed = _elected(weighed, mixed, weight, normalize)
    if lambda_ != 1:
        mixed = mixed * lambda_
    return base + mixed


def _elected(weighed: list[Array], sums: Array, weight: Sequence[float], normalize: bool) -> Array:
    up = sums >= 0
    mixed, divisor = 0.0, 0.0
    for change, w in zip(weighed, weight):
        agrees = (change > 0) == up
        mixed = mixed + change * agrees
        if normalize:  # a change of nothing, which adds nothing, takes no part
            divisor = divisor + (agrees & (change != 0)) * (np.float32(w) if library(sums) is np else w)
    return mixed / (divisor + (divisor == 0)) if normalize else mixed


def sums_kept(changes: Sequence[Array], kept: Sequence[Array]) -> np.ndarray:
    """(2, N): the sum of magnitudes of each change, whole and as kept."""
    return np.array([[float(abs(c).sum()) for c in changes], [float(abs(k).sum()) for k in kept]])


def scales(blocks_sums: Sequence[np.ndarray]) -> list[float]:
    """For each tensor what gives the kept part the whole's sum of magnitudes (mergekit's `rescale`)."""
    whole, kept = np.sum(blocks_sums, axis=0)
    return [float(w / k) if w >= TINY and k >= TINY else 1.0 for w, k in zip(whole, kept)]
