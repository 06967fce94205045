"""Reading an objective's signature, and giving it log-probabilities and scores in the shape it asks for."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, get_type_hints

import torch
from torch import Tensor

from truenorth.base import UserError, find
from truenorth.learn.types import (
    SCORED,
    Batch,
    Coupling,
    Distribution,
    Group,
    Logps,
    Needs,
    Objective,
    Pair,
    ScorePair,
    Scores,
    StatePair,
    TokenScores,
)

COUPLINGS: dict[Any, Coupling] = {
    Logps: "answer",
    Pair: "pair",
    Group: "group",
    Batch: "batch",
    Distribution: "distribution",
    Scores: "score",
    ScorePair: "score_pair",
    TokenScores: "token_score",
    StatePair: "state_pair",
}
AVERAGES = {"per_sequence", "per_token", "per_step"}
WITH_KL = ("answer", "pair", "group")


def load_objective(objective: str | Objective, *, where: str = "") -> Objective:
    """The function that a name of the catalogue (or `package.module:function`) stands for; a function as it is."""
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
    """What `objective` declares by its positional parameters, in any order after `policy`.

    - `policy`: its type is the coupling.
    - `reference`: it compares with a reference model, in the same shape.
    - `kl`: KL(reference || policy) in nats at each token over the whole vocabulary, in the policy's shape
      (`Logps`, `Pair` or `Group`), differentiable. It needs a reference. With a setting `top_k` above 0, over the
      reference's likeliest words only.
    - any other of type `Distribution`: what another model expects, one that `fit(models=...)` names.
    - any other: a column of the examples (see `columns.py`); one with a default may be absent from the data.

    Raises:
        UserError: `policy` or the result is not annotated with one of the known types, or the parameters
            contradict each other.
    """
    name, hints, parameters = _signature(objective)
    positional = {p.name: p for p in parameters.values() if p.kind == p.POSITIONAL_OR_KEYWORD}
    average = _average(name, hints, list(positional), where)
    rest = [n for n in positional if n not in ("policy", "reference", "kl")]
    models = tuple(n for n in rest if hints.get(n) is Distribution)
    columns = tuple(n for n in rest if n not in models)
    found = Needs(
        COUPLINGS[hints["policy"]],
        "reference" in positional,
        average,
        {p.name: p.default for p in parameters.values() if p.kind == p.KEYWORD_ONLY},
        columns,
        tuple(n for n in columns if positional[n].default is not inspect.Parameter.empty),
        "kl" in positional,
        models,
    )
    _check_together(name, found, where)
    return found


def _signature(objective: Objective) -> tuple[str, dict[str, Any], Mapping[str, inspect.Parameter]]:
    """An objective's name, annotations and parameters as bound."""
    function = objective
    while isinstance(function, partial):
        function = function.func
    hints = get_type_hints(function, include_extras=True)
    return getattr(function, "__name__", repr(function)), hints, inspect.signature(objective).parameters


def _average(name: str, hints: Mapping[str, Any], positional: Sequence[str], where: str) -> str:
    """What the result is annotated to be averaged over; its coupling and result must be declared."""
    if next(iter(positional), "") != "policy" or hints.get("policy") not in COUPLINGS:
        raise UserError(
            f"objective {name} does not declare what it needs (it takes {', '.join(positional) or 'none'})",
            where=where,
            expected="first policy: " + " | ".join(t.__name__ for t in COUPLINGS),
        )
    marks: tuple[Any, ...] = getattr(hints.get("return"), "__metadata__", ())
    if not set(marks) & AVERAGES:
        what = f"objective {name} does not say what it returns"
        raise UserError(what, where=where, expected="-> Losses, -> TokenLosses or -> StepLosses")
    return str(marks[0])


def _check_together(name: str, found: Needs, where: str) -> None:
    """Refuse parameters that contradict each other."""
    if found.kl and (found.coupling not in WITH_KL or not found.reference):
        expected = "a reference too, and policy: Logps | Pair | Group"
        raise UserError(f"objective {name} asks for kl", where=where, expected=expected)
    if found.reference and found.coupling in (*SCORED, "state_pair"):
        what = f"objective {name} asks for a reference of scores or states, which no model gives"
        raise UserError(what, where=where)
    if found.models and found.coupling != "distribution":
        raise UserError(f"objective {name} asks for models", where=where, expected="policy: Distribution")
    if found.average == "per_step" and "labels" not in found.columns:
        raise UserError(f"objective {name} averages over steps", where=where, expected="a column `labels`")


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


def shaped_scores(coupling: Coupling, value_BK: Tensor) -> Any:
    """Outputs of a score head as `Scores`, `ScorePair` or `TokenScores`."""
    if coupling == "token_score":
        return TokenScores(value_BK)
    if coupling == "score":
        return Scores(value_BK)
    return ScorePair(Scores(value_BK[0::2]), Scores(value_BK[1::2]))
