"""Preference vectors: what training for an attribute and training against it differ by, added in any mixture."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.base import UserError
from truenorth.edit.arrays import Array
from truenorth.edit.method import Each, reads


@reads("elements", least=2)
def preference_vectors(tensors: Sequence[Array], base: Array, *, weight: Each = None) -> Array:
    """base + the sum over attributes of weight * (model trained for it - model trained against it).

    Args:
        tensors: in pairs: for an attribute, against it; for the next, against it.
        weight: of the model *for* an attribute, -1 to 1 (below 0: against). Those against have none.

    Raises:
        UserError: an odd number of models, or a weight where none belongs.

    Source: Liang et al. 2025 (arXiv:2504.20106), section 3.
    """
    if len(tensors) % 2 or any(w is None for w in weight[::2]) or any(w is not None for w in weight[1::2]):
        expected = (
            "pairs of models: one trained for an attribute, with a weight, then one against it, without"
        )
        raise UserError(f"weights {list(weight)} for {len(tensors)} models", expected=expected)
    made = base
    for w, plus, minus in zip(weight[::2], tensors[::2], tensors[1::2]):
        made = made + (plus - minus) * w
    return made
