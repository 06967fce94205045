"""Subspace-oriented model fusion: of what tasks changed, keep what a learned mask calls harmless."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.base import UserError
from truenorth.edit.arrays import Array
from truenorth.edit.method import reads
from truenorth.edit.safety._edit import edits


@edits("model", "aligned", many=True)
@reads("tensor", least=2)
def somf(
    tensors: Sequence[Array], mask: Sequence[Array | None], *, weight: float = 0.3, rescale: float = 10.0
) -> Array:
    """aligned + weight * the sum over tasks of m (model - aligned) / mean(m).

    Args:
        mask: logits z, learned so that the fused model stays safe; m is 1 where z > 0, else 0. (The release draws
            m anew for each use; the sign of z is what it draws most often, and the same each time.)
        weight: 0.3 is the release's for several tasks; 1 for a single one.
        rescale: the most that 1 / mean(m) may be; 1 does not rescale.

    Raises:
        UserError: `rescale` below 1.

    Source: Yi et al. 2024 (arXiv:2405.09055), eq. 4-8, and its release (`concrete_mask.py`).
    """
    *models, aligned = tensors
    if rescale < 1:
        raise UserError(f"rescale {rescale}", where="--set", expected="at least 1 (which does not rescale)")
    if weight == 0 or mask[0] is None:
        return aligned
    keep = mask[0].reshape(aligned.shape) > 0
    share = float(keep.sum()) / max(1, int(aligned.reshape(-1).shape[0]))
    if share == 0:
        return aligned
    changes = [(model - aligned) * keep for model in models]
    return aligned + sum(changes[1:], start=changes[0]) * (weight * min(1 / share, rescale))
