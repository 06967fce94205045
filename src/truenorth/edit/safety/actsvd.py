"""ActSVD: the ranks of a matrix that safety uses and the rest does not, removed (a probe)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from truenorth.base import UserError
from truenorth.edit.arrays import Array, library, to_numpy
from truenorth.edit.method import reads
from truenorth.edit.methods._inputs import check_gram
from truenorth.edit.safety._edit import edits, matrices


def directions(weight: np.ndarray, gram: np.ndarray, share: float) -> np.ndarray:
    """(D, R): the left singular vectors of W X with the largest values, R = round(share * rank).

    W X has those of W (X X^T) W^T, so the inputs' Gram matrix (divided by anything) is all that is needed.
    """
    if not 0 <= share <= 1:
        raise UserError(f"share {share}", where="--set", expected="in [0, 1]")
    rank = round(share * min(weight.shape))
    _, vectors = np.linalg.eigh(weight @ gram @ weight.T)
    return vectors[:, ::-1][:, :rank]


@edits("model", reach=matrices)
@reads("tensor", inputs=1)
def actsvd(
    tensors: Sequence[Array],
    safety: Sequence[Array],
    utility: Sequence[Array],
    *,
    safety_share: float = 0.1,
    utility_share: float = 0.5,
    transposed: bool = False,
) -> Array:
    """W - (I - P_u) P_s W: without the safety ranks that are orthogonal to the utility ranks.

    Args:
        safety, utility: Gram matrices (in, in) of the matrix's inputs on answers of each kind.
        transposed: the matrix is (in, out), as GPT-2 keeps it.
        safety_share, utility_share: of the matrix's rank; the projections P keep so many directions of W X.

    Source: Wei et al. 2024 (arXiv:2402.05162), section 3.3, eq. 2-4. Its shares are chosen by a grid; these are
    only where to begin.
    """
    if safety_share == 0:
        return tensors[0]
    if transposed:
        how = {"safety_share": safety_share, "utility_share": utility_share}
        return actsvd([tensors[0].T], safety, utility, **how).T
    weight = to_numpy(tensors[0]).astype(np.float64)
    check_gram(weight.shape, safety[0], utility[0])
    used, kept = (
        directions(weight, to_numpy(gram[0]).astype(np.float64), share)
        for gram, share in ((safety, safety_share), (utility, utility_share))
    )
    part = used @ (used.T @ weight)
    isolated = part - kept @ (kept.T @ part)
    return library(tensors[0]).asarray((weight - isolated).astype(np.float32))
