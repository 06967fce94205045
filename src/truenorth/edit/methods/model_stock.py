"""Model stock: from the base towards the mean of fine-tuned models, as far as their angles say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from truenorth.edit.arrays import Array, library
from truenorth.edit.method import Blocks, reads
from truenorth.edit.methods._gram import gram_of_changes


def angles(blocks: Blocks, *, filter_wise: bool) -> np.ndarray | None:
    """(N, N) dot products of what each model changed; None where each row has its own."""
    return None if filter_wise else gram_of_changes(blocks)


@reads("rows", survey=angles, least=2)
def model_stock(
    tensors: Sequence[Array], base: Array, surveyed: np.ndarray | None, *, filter_wise: bool = False
) -> Array:
    """t * mean of the models + (1 - t) * base, with t = N c / (1 + (N - 1) c), c the changes' mean cosine.

    Where 1 + (N - 1) c is zero (changes that oppose each other) the base stays.

    Args:
        filter_wise: an angle for each row of a matrix instead of one for each tensor.

    Source: Jang et al. 2024 (arXiv:2403.19522), eq. 4. Equal to mergekit 0.1.5.
    """
    count = len(tensors)
    changes = [tensor - base for tensor in tensors]
    xp = library(base)
    cosine = _row_cosines(changes) if surveyed is None else xp.asarray(_cosine(surveyed), dtype=base.dtype)
    below = 1 + (count - 1) * cosine
    singular = abs(below) < 1e-6
    share = ~singular * (count * cosine) / (below + singular)
    mean = sum(changes[1:], start=changes[0]) / count
    return base + mean * share


def _cosine(gram_NN: np.ndarray) -> float:
    lengths = np.sqrt(np.diag(gram_NN))
    cosines = np.clip(gram_NN / np.maximum(np.outer(lengths, lengths), 1e-6), -1, 1)
    return float(cosines[np.triu_indices(len(lengths), 1)].mean())


def _row_cosines(changes: Sequence[Array]) -> Array:
    """(R, 1) mean cosine of the pairs of changes, row by row."""
    xp = library(changes[0])
    lengths = [(change * change).sum(-1) ** 0.5 for change in changes]
    found = []
    for i, change in enumerate(changes):
        for j in range(i + 1, len(changes)):
            scale = xp.clip(lengths[i] * lengths[j], 1e-6, None)
            found.append(xp.clip((change * changes[j]).sum(-1) / scale, -1, 1))
    return (sum(found[1:], start=found[0]) / len(found))[..., None]
