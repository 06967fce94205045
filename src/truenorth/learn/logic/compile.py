"""A formula becomes a loss: the semantic loss of a preference structure, by weighted counting of worlds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from truenorth.base import UserError
from truenorth.learn.logic.formula import Row
from truenorth.learn.logic.structure import Structure
from truenorth.learn.ratios import log1mexp
from truenorth.learn.types import Logps, Losses, Pair

KNOWN = ("w", "l", "rw", "rl")


def derive(
    core: str, *, given: str = "true", also: str = "false", beta: float = 1.0, per_token: bool = False
) -> Any:
    """An objective for `fit` that asks for `core`: -log sigma(beta * log [weight that wins / weight that loses]).

    Args:
        core, given, also: formulas over `w`, `l`, `rw`, `rl` (see `Structure.of`). With `rw` or `rl` the
            objective takes a reference.
        per_token: an answer's probability is the geometric mean over its tokens, as ORPO and SimPO have it. Over
            whole answers, 1 - p is 1 in all but name, and formulas with `~w` or `~l` say little.

    Raises:
        UserError: not a formula, an unknown variable, or nothing that can win or lose.

    >>> from truenorth.learn.worked import pair
    >>> p = pair(-0.6931472, -1.3862944)  # 1/2 and 1/4
    >>> derive("w & ~l")(p)  # wins 1/2 * 3/4 = 3/8, loses 5/8: -log(3/8)
    tensor([0.9808])
    """
    structure = checked(core, given, also)
    with_reference = any(v in ("rw", "rl") for v in structure.variables)
    loss = semantic_loss_with_reference if with_reference else semantic_loss
    return partial(loss, core=core, given=given, also=also, beta=beta, per_token=per_token)


def semantic_loss(
    policy: Pair,
    *,
    core: str,
    given: str = "true",
    also: str = "false",
    beta: float = 1.0,
    per_token: bool = False,
) -> Losses:
    """(B,) the loss that `derive` makes of a formula over `w` and `l`."""
    structure = checked(core, given, also)
    return -F.logsigmoid(beta * log_odds(structure, _log_probabilities(policy, "", per_token)))


def semantic_loss_with_reference(
    policy: Pair,
    reference: Pair,
    *,
    core: str,
    given: str = "true",
    also: str = "false",
    beta: float = 1.0,
    per_token: bool = False,
) -> Losses:
    """(B,) the loss that `derive` makes of a formula that also names `rw` or `rl`."""
    structure = checked(core, given, also)
    known = _log_probabilities(policy, "", per_token) | _log_probabilities(reference, "r", per_token)
    return -F.logsigmoid(beta * log_odds(structure, known))


@lru_cache
def checked(core: str, given: str, also: str) -> Structure:
    """The structure of three formulas, if it can be a loss."""
    structure = Structure.of(core, given=given, also=also)
    strange = [v for v in structure.variables if v not in KNOWN]
    if strange:
        raise UserError(f"unknown variables {', '.join(strange)}", expected="w, l, rw, rl")
    if not structure.wins or not structure.loses:
        empty = "wins" if not structure.wins else "loses"
        raise UserError(
            f"nothing {empty} under core {core!r}, given {given!r}, also {also!r}",
            expected="a formula that can be true and can be false",
        )
    return structure


def log_odds(structure: Structure, log_p: Mapping[str, Tensor]) -> Tensor:
    """(B,) log [sum of the weights of winning worlds / sum of the weights of losing ones].

    A world's weight is the product of p over variables that hold in it and of 1 - p over the others.

    Args:
        log_p: (B,) log-probability of each variable.
    """
    held = {v: log_p[v] for v in structure.variables}
    failed = {v: log1mexp(x) for v, x in held.items()}

    def weight(rows: frozenset[Row]) -> Tensor:
        worlds = [
            torch.stack([held[v] if on else failed[v] for v, on in zip(structure.variables, row)]).sum(0)
            for row in sorted(rows)
        ]
        return torch.stack(worlds).logsumexp(0)

    return weight(structure.wins) - weight(structure.loses)


def _log_probabilities(pair: Pair, prefix: str, per_token: bool) -> dict[str, Tensor]:
    def of(answer: Logps) -> Tensor:
        return answer.mean if per_token else answer.total

    return {prefix + "w": of(pair.chosen), prefix + "l": of(pair.rejected)}
