"""R-TSVM: TSV-M with tasks weighed by their outliers and less rank for sparse changes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from truenorth.edit.arrays import Array, library
from truenorth.edit.methods._singular import merged


def r_tsvm(
    tensors: Sequence[Array],
    base: Array,
    *,
    sigmas: float = 3.0,
    reweigh: bool = True,
    adapt_rank: bool = True,
    lambda_: float = 1.0,
    exclude: int = 20000,
) -> Array:
    """As `tsvm`, with each task's singular values times its share of the outlier mass, and its rank by density.

    The paper's exact formulas could not be read, only its abstract; this is our reading of it. In each matrix
    and task, outliers are changes beyond mean + `sigmas` standard deviations of the magnitudes; a task's factor
    is T times its share of their sum (so factors average 1). A task keeps floor(rank / T) directions times the
    share of its changes that are at least 1 % of its largest, relative to the mean of that over tasks, at most
    floor(rank / T) and at least 1. Equal tasks give `tsvm`.

    Args:
        reweigh, adapt_rank: switch either part off.

    Source: after Yang et al. 2025 (arXiv:2502.06876), "RESM".
    """
    changes = [tensor - base for tensor in tensors]
    if len(base.shape) != 2 or (exclude and max(base.shape) > exclude):
        return base + sum(changes[1:], start=changes[0]) * (lambda_ / len(changes))
    share = max(1, min(base.shape) // len(changes))
    factors, ranks = [1.0] * len(changes), [share] * len(changes)
    if reweigh:
        mass = [_outliers(change, sigmas) for change in changes]
        if sum(mass):
            factors = [len(changes) * m / sum(mass) for m in mass]
    if adapt_rank:
        dense = [_density(change) for change in changes]
        mean = sum(dense) / len(dense)
        if mean:
            ranks = [min(share, max(1, math.ceil(share * d / mean - 1e-9))) for d in dense]
    used = [i for i, factor in enumerate(factors) if factor]  # a silent task has no directions
    loud = [changes[i] for i in used]
    mixed = merged(loud, [ranks[i] for i in used], [factors[i] for i in used], library(base))
    return base + mixed * lambda_


def _outliers(change: Array, sigmas: float) -> float:
    size = abs(change)
    return float((size * (size > size.mean() + sigmas * size.std())).sum())


def _density(change: Array) -> float:
    size = abs(change)
    return float((size >= 0.01 * size.max()).sum()) / max(1, size.reshape(-1).shape[0]) if size.max() else 0.0
