"""What stands beside the texts of a row: labels and numbers as files have them, and what is wrong with them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from truenorth.learn.data.wanted import Kind, Wanted, halves_of
from truenorth.records.trl import RowError

TRUTHS = {0: False, 1: True, "0": False, "1": True, "false": False, "true": True, "no": False, "yes": True}
TEXTS = ("paraphrase", "reference")  # columns beside that are no numbers


def names_of(want: Wanted) -> list[str]:
    """The columns of numbers that an objective asks for, under every name that they may have."""
    own = [name for name in (*want.columns, *want.optional) if name not in TEXTS]
    return [*own, *(half for name in own for halves in halves_of(name) for half in halves)]


def typed(row: Mapping[str, Any], kind: Kind, want: Wanted, weight: str) -> dict[str, Any]:
    """The row with labels as true and false, and numbers as numbers: a CSV has them as text, others as 0 and 1."""
    found = dict(row)
    if kind == "unpaired_preference" and "label" in row:
        found["label"] = truth(row["label"])
    if kind == "stepwise" and isinstance(row.get("labels"), (list, tuple)):
        found["labels"] = [truth(label) for label in row["labels"]]
    for name in (*names_of(want), weight, *(("scores",) if kind == "list" else ())):
        if found.get(name) is not None:
            found[name] = number(found[name])
    return found


def truth(value: Any) -> Any:
    """A label as true or false, where it can mean nothing else."""
    word = value.strip().lower() if isinstance(value, str) else value
    return TRUTHS.get(word, value) if isinstance(word, (str, bool, int, float)) else value


def number(value: Any) -> Any:
    """A number that is written as text, alone or in a list; everything else as it is."""
    if isinstance(value, (list, tuple)):
        return [number(one) for one in value]
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def wrong_values(i: int, row: Mapping[str, Any], kind: Kind, want: Wanted, weight: str) -> list[RowError]:
    """What is wrong with the columns beside the texts of row `i`: missing, or no finite number."""
    errors = []
    for name in want.columns:
        halves = halves_of(name)
        if row.get(name) is None and not any(all(row.get(x) is not None for x in pair) for pair in halves):
            errors.append(RowError(i, name, "missing"))
    for name in names_of(want):
        if row.get(name) is not None and not _finite(row[name]):
            errors.append(RowError(i, name, f"expected a number, not {str(row[name])[:40]!r}"))
    given = row.get(weight)
    if not isinstance(given, str) and given is not None and not (_finite([given]) and given >= 0):
        errors.append(RowError(i, weight, f"expected a number of 0 or more, not {str(given)[:40]!r}"))
    if kind == "list" and row.get("scores") is not None and not _finite(row["scores"]):
        errors.append(RowError(i, "scores", f"expected numbers, not {str(row['scores'])[:40]!r}"))
    if kind == "stepwise" and not isinstance(row.get("prompt"), str):
        errors.append(RowError(i, "prompt", "expected text"))
    return errors


def _finite(value: Any) -> bool:
    each: Sequence[Any] = value if isinstance(value, (list, tuple)) else [value]
    return all(isinstance(one, (int, float)) and math.isfinite(one) for one in each)
