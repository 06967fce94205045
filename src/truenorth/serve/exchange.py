"""What goes to the labelling page and what comes from it, in values that JSON can say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from truenorth.base import UserError
from truenorth.records.label_agreement import Agreement
from truenorth.records.labels import Label
from truenorth.report.words import shown

LONGEST_S = 3600.0  # a task that was open for longer was not being read


def told(found: Agreement) -> dict[str, Any]:
    """Agreement for the page: None where there is nothing to tell yet."""
    return {
        "alpha": found.alpha.to_dict(),
        "same": found.same.to_dict(),
        "kappa": found.kappa.to_dict() if found.kappa else None,
        "items": found.items,
        "people": found.people,
    }


def words(text: str) -> dict[str, str]:
    """A text to be shown, and as it is where that differs (to be edited)."""
    safe = shown(text, len(text))
    return {"text": safe} if safe == text else {"text": safe, "raw": text}


def mark(label: Label, order: Sequence[str]) -> dict[str, Any]:
    """A label by places instead of ids."""
    value = label.value
    if label.kind == "rank":
        value = [[order.index(a) for a in tier] for tier in value]
    return {"kind": label.kind, "value": value, "answer": order.index(label.answer) if label.answer else None}


def at(order: Sequence[str], place: Any) -> str:
    """The id of the answer at a place that the page named. Raises UserError where there is none."""
    if type(place) is not int or not 0 <= place < len(order):
        raise UserError(f"answer {place!r}", where="label", expected=f"0 to {len(order) - 1}")
    return order[place]


def tiers(value: Any) -> list[list[Any]]:
    """A ranking as the page sends it. Raises UserError where it is none."""
    if not isinstance(value, list) or not all(isinstance(tier, list) for tier in value):
        raise UserError(f"rank {value!r}", where="label", expected="lists of places, best first")
    return value


def seconds(value: Any) -> float | None:
    """Seconds that a label took, or None where what was sent says nothing."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= LONGEST_S
    return round(float(value), 1) if good else None
