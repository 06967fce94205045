"""A second layer: what people said differently of the same answers, for somebody else to settle."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.records.label_people import votes_of
from truenorth.records.labels import Kind, Label

APART = 2  # steps between two ratings that are a disagreement


def disputed(labels: Sequence[Label], kind: Kind, *, principle: str = "") -> list[str]:
    """Tasks where two people or more disagree, in order: good and not, two pairs of answers the other way round
    (a tie is neither), or ratings two steps apart or more.

    >>> said = [Label(who, "t", "rate", n, "a") for who, n in (("ann", 2), ("bob", 4), ("cid", 3))]
    >>> disputed(said, "rate"), disputed(said[1:], "rate")
    (['t'], [])
    """
    found = []
    for item, by in votes_of(labels).items():
        values = [float(value) for value in by.values()]  # type: ignore[arg-type]
        if (
            item[0] == kind
            and item[4] == principle
            and max(values) - min(values) >= (APART if kind == "rate" else 1)
        ):
            found.append(item[1])
    return list(dict.fromkeys(found))
