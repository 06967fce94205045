"""The packing check: rows side by side in one packed row are read as if each stood alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from truenorth.base import UserError
from truenorth.learn.scoring import token_logps
from truenorth.learn.types import Example

TOLERANCE = {"float32": 2e-3}  # nats, largest difference of a token's log-probability
COARSE = 0.25  # in half precision
ROWS, TOKENS = 4, 512  # how many rows are tried, and how many tokens at most each


def packing_difference(model: Any, examples: Sequence[Example]) -> float:
    """Largest difference (nats) of a token's log-probability between some rows packed together and each alone."""
    few = sorted(examples, key=_length)[-50:][:ROWS]
    few = [_short(e) for e in few]
    together = token_logps(model, few)
    alone = [token_logps(model, [e])[0] for e in few]
    return max(
        float(abs(a - b).max())
        for many, one in zip(together, alone, strict=True)
        for a, b in zip(many, one, strict=True)
    )


def check_packing(model: Any, examples: Sequence[Example]) -> float:
    """As `packing_difference`; refuses models for which it is not rounding.

    Raises:
        UserError: attention leaks from row to row.
    """
    difference = packing_difference(model, examples)
    most = TOLERANCE.get(str(model.module.dtype).removeprefix("torch."), COARSE)
    if model.module.device.type != "cpu":
        most = COARSE
    if not difference <= most:
        raise UserError(
            f"packed rows differ from single ones by {difference:.2g} nats a token",
            where=str(getattr(model, "name", "model")),
            expected=f"at most {most}",
            fix="this architecture lets packed rows see each other: please report it",
        )
    return difference


def _length(example: Example) -> int:
    return len(example.prompt) + sum(map(len, example.completions))


def _short(example: Example) -> Example:
    room = TOKENS // (1 + len(example.completions))
    return Example(tuple(example.prompt)[-room:], tuple(tuple(c)[:room] for c in example.completions))
