"""Reading an objective's signature, and giving it log-probabilities in the shape it asks for."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import partial
from typing import Any, get_type_hints

import torch
from torch import Tensor

from truenorth.base import UserError, find
from truenorth.learn.types import Batch, Coupling, Distribution, Group, Logps, Needs, Objective, Pair

COUPLINGS: dict[Any, Coupling] = {
    Logps: "answer",
    Pair: "pair",
    Group: "group",
    Batch: "batch",
    Distribution: "distribution",
}


def load_objective(objective: str | Objective, *, where: str = "") -> Objective:
    return (
        find("truenorth.learn.objectives", objective, where=where)
        if isinstance(objective, str)
        else objective
    )


def label(objective: str | Objective) -> str:
    """A name with its settings, the same in every process: `...dpo:dpo(beta=0.2)`."""
    function, settings = load_objective(objective), ""
    while isinstance(function, partial):
        settings = ", ".join(f"{k}={v!r}" for k, v in sorted(function.keywords.items())) + settings
        function = function.func
    return f"{function.__module__}:{getattr(function, '__qualname__', type(function).__name__)}({settings})"


def needs(objective: Objective, *, where: str = "") -> Needs:
    """What `objective` declares: coupling by the type of `policy`, a reference by a parameter of that name.

    Raises:
        UserError: `policy` or the result is not annotated with one of the known types, or a positional
            parameter is neither `policy` nor `reference`.
    """
    function = objective
    while isinstance(function, partial):
        function = function.func
    name = getattr(function, "__name__", repr(function))
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(objective).parameters
    asked = [p.name for p in parameters.values() if p.kind == p.POSITIONAL_OR_KEYWORD]
    if asked not in (["policy"], ["policy", "reference"]) or hints.get("policy") not in COUPLINGS:
        raise UserError(
            f"objective {name} does not declare what it needs (it takes {', '.join(asked) or 'nothing'})",
            where=where,
            expected="policy: " + " | ".join(t.__name__ for t in COUPLINGS) + ", and perhaps reference",
        )
    marks: tuple[Any, ...] = getattr(hints.get("return"), "__metadata__", ())
    if not set(marks) & {"per_sequence", "per_token"}:
        raise UserError(
            f"objective {name} does not say what it returns",
            where=where,
            expected="-> Losses or -> TokenLosses",
        )
    settings = {p.name: p.default for p in parameters.values() if p.kind == p.KEYWORD_ONLY}
    return Needs(COUPLINGS[hints["policy"]], "reference" in asked, marks[0], settings)


def shaped(coupling: Coupling, logp_T: Tensor, lengths: Sequence[int], counts: Sequence[int]) -> Any:
    """Flat log-probs as `Logps`, `Pair`, `Group` or `Batch`; differentiable.

    Args:
        lengths: tokens of each completion, in order.
        counts: completions of each example, in order.
    """
    length_B = torch.tensor(lengths, device=logp_T.device)
    mask_BT = torch.arange(max(lengths), device=logp_T.device) < length_B[:, None]
    token_BT = torch.zeros(mask_BT.shape, dtype=logp_T.dtype, device=logp_T.device)
    token_BT = token_BT.masked_scatter(mask_BT, logp_T)
    if coupling == "answer":
        return Logps(token_BT, mask_BT)
    if coupling == "pair":
        return Pair(Logps(token_BT[0::2], mask_BT[0::2]), Logps(token_BT[1::2], mask_BT[1::2]))
    group_B = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)).to(logp_T.device)
    return (Group if coupling == "group" else Batch)(Logps(token_BT, mask_BT), group_B)
