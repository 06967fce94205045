"""RegMean: the linear layer whose outputs are nearest to each model's own, on that model's own inputs."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array, double, library
from truenorth.edit.methods._inputs import check_gram
from truenorth.edit.methods.linear import linear


def regmean(
    tensors: Sequence[Array], gram: Sequence[Array | None], *, ratio: float = 0.9, transposed: bool = False
) -> Array:
    """W of least total |X W^T - X_t W_t^T|^2, in closed form; tensors without Gram matrices are averaged.

    Args:
        tensors: (out, in), as torch keeps linear layers; (in, out), as GPT-2 does, with `transposed`.
        gram: each model's (in, in) X^T X over tokens, divided by their number.
        ratio: in [0, 1], what is left of the off-diagonal; below 1 it keeps the sum invertible.

    Source: Jin et al. 2023 (arXiv:2212.09849), eq. 3; ratio as alpha in section 4. Solved in float64.
    """
    if any(own is None for own in gram) or len(tensors[0].shape) != 2:
        return linear(tensors, weight=[1.0] * len(tensors))
    if transposed:
        return regmean([tensor.T for tensor in tensors], gram, ratio=ratio).T
    xp = library(tensors[0])
    check_gram(tensors[0].shape, *[own for own in gram if own is not None])
    shrunk = [_shrunk(double(own), ratio) for own in gram]
    whole = sum(shrunk[1:], start=shrunk[0])
    target = sum(
        (double(w) @ g for w, g in zip(tensors[1:], shrunk[1:])), start=double(tensors[0]) @ shrunk[0]
    )
    solved = xp.linalg.solve(whole, target.T).T  # W G = target with G symmetric
    return solved.astype(tensors[0].dtype) if hasattr(solved, "astype") else solved.to(tensors[0].dtype)


def _shrunk(gram: Array, ratio: float) -> Array:
    xp = library(gram)
    return gram * ratio + xp.diag(xp.diag(gram)) * (1 - ratio)
