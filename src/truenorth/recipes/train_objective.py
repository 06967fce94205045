"""The objective that arguments name: TRL's trainers and loss types, and the settings of each."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import partial
from typing import Any, get_type_hints

from truenorth.base import UserError
from truenorth.recipes.train_names import SETTINGS
from truenorth.recipes.train_values import listed


def objective_parameters(objective: str) -> dict[str, Any]:
    """The keyword-only parameters of an objective and their types."""
    from truenorth.learn.coupling import load_objective

    function = load_objective(objective, where="objective")
    if isinstance(function, partial):
        function = function.func
    types = get_type_hints(function)
    settings = getattr(function, "__kwdefaults__", None) or {}
    return {name: types.get(name, type(value)) for name, value in settings.items()}


def own_name(name: str, takes: Mapping[str, Any]) -> str | None:
    """Our name of an objective's setting that TRL calls otherwise."""
    from truenorth.learn.trl_names import ARGUMENTS

    if name in takes:
        return name
    ours = {**ARGUMENTS, **SETTINGS}.get(name)
    return ours if ours in takes else None


def by_loss_type(objective: str, loss: Any, weights: Any) -> tuple[str, dict[str, Any]]:
    """The objective that TRL's trainer of that name has under `loss_type`; several with weights are a mixture.

    Raises:
        UserError: the trainer has no such loss.
    """
    from truenorth.learn.trl_names import CPO_LOSS_TYPES, DPO_LOSS_TYPES, KTO_LOSS_TYPES, TPO_LOSS_TYPES

    types = {
        "dpo": DPO_LOSS_TYPES,
        "kto": KTO_LOSS_TYPES,
        "cpo": CPO_LOSS_TYPES,
        "tpo": TPO_LOSS_TYPES,
        "sft": {"nll": "sft", "dft": "dft"},
        "orpo": {"orpo": "orpo"},
    }.get(objective)
    if types is None:
        raise UserError(
            f"{objective} has no loss types",
            where="--loss_type",
            fix=f"name the objective: truenorth train {loss}",
        )
    names = listed(loss)
    for name in names:
        if name not in types:
            near = difflib.get_close_matches(name, types, n=1, cutoff=0.5)
            raise UserError(
                f"no loss type {name!r} of {objective}",
                where="--loss_type",
                expected="one of " + ", ".join(types),
                fix=f"did you mean {near[0]}?" if near else "",
            )
    if len(names) == 1:
        return types[names[0]], {}
    sizes = [float(w) for w in listed(weights)] if weights is not None else [1.0] * len(names)
    if len(sizes) != len(names):
        raise UserError(f"{len(sizes)} weights for {len(names)} losses", where="--loss_weights")
    return "mixture", {"losses": {types[n]: w for n, w in zip(names, sizes)}}
