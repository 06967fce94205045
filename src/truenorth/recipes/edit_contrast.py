"""Which neurons alignment speaks through: how differently two models use each of them on the same answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from truenorth.base import UserError
from truenorth.edit.safety.critical_neurons import mlp_inputs, mlp_outputs, same_layer
from truenorth.models.local import LocalModel
from truenorth.recipes.edit_inputs import encoded, layers, read_inputs


def contrast(model: LocalModel, data: Any, aligned: LocalModel | None = None) -> dict[str, Tensor]:
    """The root mean square difference of each neuron's activation between two models, over the answers' tokens.

    Source: Chen et al. 2024 (arXiv:2406.14144), "generation-time activation contrasting", on given answers.
    """
    if aligned is None:
        raise UserError("a contrast needs the aligned model", where="--with", fix="add --aligned")
    names = [name for name in layers(model) if mlp_outputs(name, (1, 1))]
    square: dict[str, Tensor] = {}
    tokens = 0
    for ids in encoded(model, data.rows, completions=True):
        own, other = (_activations(one, ids, names) for one in (model, aligned))
        tokens += len(own[names[0]]) if names else 0
        for name in names:
            told = (own[name] - other[name]).square().sum(0)
            square[name] = square[name] + told if name in square else told
    return of_neurons(model, {name: (told / max(1, tokens)).sqrt() for name, told in square.items()})


def _activations(model: LocalModel, ids: Any, names: list[str]) -> dict[str, Tensor]:
    """(T, N) what the neurons of each layer say at the answer's tokens, by the name of the output matrix."""
    found: dict[str, Tensor] = {}
    read_inputs(model, [ids], found.__setitem__, only=names)
    return found


def of_neurons(model: LocalModel, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Scores by the names of output matrices, and the same for the matrices that the same neurons read by."""
    inputs = [name for name, p in layers(model).items() if mlp_inputs(name, p.shape)]
    found = dict(scores)
    for name in inputs:
        own = [score for output, score in scores.items() if same_layer(name, output)]
        if own and own[0].shape[0] in layers(model)[name].shape:
            found[name] = own[0].clone()
    return found
