"""Columns: numbers that come with the examples, checked once and given to an objective in its own shape.

A column is one of three kinds, the same in all examples of a task: a number for each example, a number for
each completion, or a sequence of numbers for each completion (tokens or attributes). An objective gets, as float32:

| coupling | per example | per completion | sequences |
|---|---|---|---|
| `Logps`, `Scores` | (B,), repeated for each completion | (B,) | (B, T) or (B, K) |
| `Pair`, `ScorePair` | (B,), one per pair | (B, 2) | (B, 2, T) or (B, 2, K) |
| `Group`, `Batch` | (G,) | (B,) | (B, T) |
| `Distribution`, `TokenScores` | (T,), repeated for each token | (T,), repeated | (T,) |
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, Literal

import torch
from torch import Tensor

from truenorth.base import UserError
from truenorth.learn.types import Coupling, Example, Needs

Kind = Literal["example", "completion", "sequence"]
BY_ANSWER = ("answer", "score")
BY_TOKEN = ("distribution", "token_score")
ATTRIBUTES = ("score", "score_pair")  # sequences are attributes of a completion, not of its tokens


def names_in_use(need: Needs, examples: Sequence[Example]) -> list[str]:
    """The columns the objective will get: all it requires, and the optional ones that the data has."""
    return [n for n in need.columns if n not in need.optional or any(n in e.columns for e in examples)]


def check_columns(need: Needs, examples: Sequence[Example], *, where: str) -> None:
    """Refuse examples whose columns are missing, not numbers, or not of one kind and length.

    Raises:
        UserError: naming the rows and the column.
    """
    for name in names_in_use(need, examples):
        missing = [i for i, e in enumerate(examples) if e.columns.get(name) is None]
        if missing:
            has = ", ".join(sorted({key for e in examples for key in e.columns})) or "none"
            raise UserError(
                f"{rows(missing, len(examples))} have no column {name!r}",
                where=where,
                expected=f"{name!r} in the columns of every example; these have {has}",
            )
        kinds = [kind_of(e.columns[name]) for e in examples]
        odd = [i for i, kind in enumerate(kinds) if kind is None or kind != kinds[0]]
        if odd:
            raise UserError(
                f"{rows(odd, len(examples))} have another kind of column {name!r} (first {kinds[0]})",
                where=where,
                expected="numbers: one for each example, or one for each completion, or sequences of them",
            )
        wrong = [
            i for i, e in enumerate(examples) if not _fits(need.coupling, kinds[0], e, name, examples[0])
        ]
        if wrong:
            each = {
                "completion": "a number",
                "sequence": "as many numbers as the first"
                if need.coupling in ATTRIBUTES
                else "a number for each token",
            }[kinds[0] or "completion"]
            raise UserError(
                f"{rows(wrong, len(examples))} have a column {name!r} of another length",
                where=where,
                expected=f"for each completion {each}",
            )


def rows(bad: Sequence[int], count: int) -> str:
    """`rows [3, 5] of 16`: at most eight of them."""
    return f"rows [{', '.join(map(str, bad[:8]))}{', ...' if len(bad) > 8 else ''}] of {count}"


def kind_of(value: Any) -> Kind | None:
    """What a column's value describes; None where it is neither a number nor made of numbers."""
    if _number(value):
        return "example"
    cells = _listed(value)
    if cells is None or not cells:
        return None
    if all(_number(c) for c in cells):
        return "completion"
    inner = [_listed(c) for c in cells]
    fine = all(c is not None and all(_number(x) or x is None for x in c) for c in inner)
    return "sequence" if fine else None


def plain(value: Any) -> Any:
    """A column's value in lists and floats, which hash alike wherever they came from."""
    if value is None:
        return None
    return float(value) if _number(value) else [plain(x) for x in _listed(value) or ()]


def cells(need: Needs, examples: Sequence[Example]) -> dict[str, list[Any]]:
    """For each column in use: one cell for each thing that the objective gives a loss (see `tensors`).

    That is a completion (`Logps`, `Scores`), a token (`Distribution`, `TokenScores`), or else an example.
    """
    return {name: _cells(need.coupling, examples, name) for name in names_in_use(need, examples)}


def tensors(
    coupling: Coupling, columns: Mapping[str, Sequence[Any]], at: slice, device: torch.device
) -> dict[str, Tensor]:
    """Some of the columns' cells, in the shape that `coupling` asks for."""
    return {name: _tensor(coupling, column[at], device) for name, column in columns.items()}


def _cells(coupling: Coupling, examples: Sequence[Example], name: str) -> list[Any]:
    if coupling not in BY_ANSWER + BY_TOKEN:
        return [e.columns[name] for e in examples]
    found: list[Any] = []
    for e in examples:
        value = e.columns[name]
        each = [value] * len(e.completions) if _number(value) else list(value)
        if coupling in BY_ANSWER:
            found.extend(each)
            continue
        for cell, completion in zip(each, e.completions):
            found.extend([cell] * len(completion) if _number(cell) else cell)
    return found


def _tensor(coupling: Coupling, cells: Sequence[Any], device: torch.device) -> Tensor:
    nested = coupling not in BY_ANSWER + BY_TOKEN and not _number(cells[0])
    flat = [x for cell in cells for x in cell] if nested else list(cells)
    if _number(flat[0]) or flat[0] is None:
        values = torch.tensor(_floats(flat), device=device)
    else:
        width = max(map(len, flat))
        padded = [[*_floats(row), *[0.0] * (width - len(row))] for row in flat]
        values = torch.tensor(padded, device=device)
    if nested and coupling in ("pair", "score_pair"):
        values = values.unflatten(0, (-1, 2))
    return values


def _floats(values: Iterable[Any]) -> list[float]:
    return [math.nan if v is None else float(v) for v in values]


def _number(value: Any) -> bool:
    return isinstance(value, Real) or (hasattr(value, "item") and getattr(value, "ndim", 1) == 0)


def _listed(value: Any) -> list[Any] | None:
    if hasattr(value, "tolist"):
        value = value.tolist()
    return list(value) if isinstance(value, list | tuple) else None


def _fits(coupling: Coupling, kind: Kind | None, example: Example, name: str, first: Example) -> bool:
    if kind == "example":
        return True
    value = example.columns[name]
    if len(value) != len(example.completions):
        return False
    if kind == "completion":
        return True
    if coupling in ATTRIBUTES:
        return all(len(c) == len(first.columns[name][0]) for c in value)
    return all(len(c) == len(completion) for c, completion in zip(value, example.completions))
