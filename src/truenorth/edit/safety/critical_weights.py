"""Safety-critical weights: those that safety needs and the rest does not, removed (a probe) or given back."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.edit.arrays import Array, library
from truenorth.edit.method import reads
from truenorth.edit.safety._edit import edits, matrices
from truenorth.edit.safety._top import like, only_in


@edits("model", optional=("aligned",), reach=matrices)
@reads("tensor", least=1)
def critical_weights(
    tensors: Sequence[Array],
    safety: Sequence[Array],
    utility: Sequence[Array],
    *,
    top: float = 0.03,
    utility_top: float = 0.03,
    within: str = "tensor",
) -> Array:
    """The model with 0, or with the aligned model's values, where the safety score alone is among the top.

    Without `aligned` this is a probe: how little can be removed before safety fails. With it, a repair.

    Args:
        safety, utility: scores in the tensor's shape: SNIP |w dL/dw|, or Wanda |w| ||x||.
        top: share of a tensor that counts as important for safety; utility_top: for the rest.
        within: "tensor" as the release has it, or "rows".

    Source: Wei et al. 2024 (arXiv:2402.05162), section 3.2, set difference.
    """
    model, *aligned = tensors
    where = only_in(
        safety[0].reshape(model.shape),
        utility[0].reshape(model.shape),
        first_share=top,
        second_share=utility_top,
        within=within,
    )
    if not where.any():
        return model
    other = aligned[0] if aligned else library(model).zeros_like(model)
    return library(model).where(like(where, model), other, model)
