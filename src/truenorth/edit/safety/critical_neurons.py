"""Safety-critical neurons: the columns of an MLP's output matrix with the largest scores, removed or given back."""

from __future__ import annotations

import re
from collections.abc import Sequence

from truenorth.base import UserError
from truenorth.edit.arrays import Array, library
from truenorth.edit.method import reads
from truenorth.edit.safety._edit import edits
from truenorth.edit.safety._top import like, top

OUTPUT = re.compile(r"(?:down_proj|fc2|c_proj|fc_out|dense_4h_to_h|wo)\.weight$")


def mlp_outputs(name: str, shape: Sequence[int]) -> bool:
    """Matrices by which a layer's neurons write, by the names transformers gives them."""
    return (
        len(shape) == 2 and "attn" not in name and "attention" not in name and OUTPUT.search(name) is not None
    )


@edits("model", optional=("aligned",), reach=mlp_outputs)
@reads("tensor", least=1)
def critical_neurons(
    tensors: Sequence[Array], neurons: Sequence[Array], *, share: float = 0.01, transposed: bool = False
) -> Array:
    """The model without (or with the aligned model's) output of the neurons with the largest scores.

    Args:
        neurons: one score a neuron: an effect size between harmful and harmless prompts, or the difference of two
            models' activations.
        share: of a layer's neurons, 0.005 to 0.05.
        transposed: the matrix is (in, out), as GPT-2 keeps it, so a neuron is a row.

    Source: the causal check of Chen et al. 2024 (arXiv:2406.14144), on weights instead of activations: a neuron
    whose output weights are 0 writes nothing, whatever its activation.
    """
    model, *aligned = tensors
    score, count = neurons[0].reshape(-1), model.shape[0] if transposed else model.shape[1]
    if score.shape[0] != count:
        raise UserError(
            f"{score.shape[0]} scores for {count} neurons", where="neurons", fix="see `transposed`"
        )
    chosen = top(score, share)
    if not chosen.any():
        return model
    where = like(chosen[:, None] if transposed else chosen[None, :], model)
    other = aligned[0] if aligned else library(model).zeros_like(model)
    return library(model).where(where, other, model)
