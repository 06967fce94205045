"""Safety-critical neurons: those of an MLP with the largest scores, silenced or given back whole."""

from __future__ import annotations

import re
from collections.abc import Sequence

from truenorth.base import UserError
from truenorth.edit.arrays import Array, library
from truenorth.edit.method import reads
from truenorth.edit.plan import Step
from truenorth.edit.safety._edit import Chosen, edits
from truenorth.edit.safety._top import like, top

OUTPUT = re.compile(r"(?:down_proj|fc2|c_proj|fc_out|dense_4h_to_h|wo)\.weight$")
INPUT = re.compile(r"(?:gate_proj|up_proj|fc1|c_fc|fc_in|dense_h_to_4h|wi|wi_0|wi_1)\.weight$")


def mlp_outputs(name: str, shape: Sequence[int]) -> bool:
    """Matrices by which a layer's neurons write, by the names transformers gives them."""
    return _of_mlp(OUTPUT, name, shape)


def mlp_inputs(name: str, shape: Sequence[int]) -> bool:
    """Matrices by which a layer's neurons read."""
    return _of_mlp(INPUT, name, shape)


def _of_mlp(pattern: re.Pattern[str], name: str, shape: Sequence[int]) -> bool:
    outside = "attn" in name or "attention" in name
    return len(shape) == 2 and not outside and pattern.search(name) is not None


def same_layer(one: str, other: str) -> bool:
    """Do two matrices stand in the same MLP?"""
    return one.rsplit(".", 2)[0] == other.rsplit(".", 2)[0]


def both(name: str, shape: Sequence[int]) -> bool:
    """Matrices by which neurons read or write."""
    return mlp_outputs(name, shape) or mlp_inputs(name, shape)


def which_side(steps: Sequence[Step]) -> Chosen:
    """For every matrix, whether neurons read or write by it."""
    return {step.name: {"reads_found": not mlp_outputs(step.name, step.shape)} for step in steps}


@edits("model", optional=("aligned",), reach=both, select=which_side)
@reads("tensor", least=1)
def critical_neurons(
    tensors: Sequence[Array],
    neurons: Sequence[Array],
    *,
    share: float = 0.01,
    transposed: bool = False,
    reads_found: bool = False,
) -> Array:
    """The model without (or with the aligned model's) neurons with the largest scores.

    Args:
        neurons: one score a neuron: how differently two models use it (`contrast`), or an effect size between
            harmful and harmless prompts (`neurons`). Where it stands for a layer's output matrix only, the
            neurons go on reading what they read.
        share: of a layer's neurons, 0.005 to 0.05.
        transposed: matrices are (in, out), as GPT-2 keeps them.

    Raises:
        UserError: not one score a neuron.

    Source: the causal check of Chen et al. 2024 (arXiv:2406.14144), on weights instead of activations: a neuron
    whose output weights are 0 writes nothing, whatever its activation; one that is given back reads and writes
    as the aligned model's.
    """
    model, *aligned = tensors
    rows = reads_found != transposed  # a row of the matrix is a neuron
    score, count = neurons[0].reshape(-1), model.shape[0] if rows else model.shape[1]
    if score.shape[0] != count:
        raise UserError(
            f"{score.shape[0]} scores for {count} neurons", where="neurons", fix="see `transposed`"
        )
    chosen = top(score, share)
    if not chosen.any():
        return model
    where = like(chosen[:, None] if rows else chosen[None, :], model)
    other = aligned[0] if aligned else library(model).zeros_like(model)
    return library(model).where(where, other, model)
