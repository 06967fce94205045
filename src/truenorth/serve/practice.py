"""Practice: everybody's first tasks are gold, the known answer is told after each, and enough must be right.

The same tasks for everybody, so that passing means the same; whoever does not pass is shown nothing further.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from truenorth.base import UserError, seed_of
from truenorth.records import Row
from truenorth.records.label_people import RIGHT, rightness
from truenorth.records.labels import Gold, Kind, Label
from truenorth.report.words import shown

QUOTED = 80  # characters of an answer in a lesson


class Practice(NamedTuple):
    """tasks: in the order shown. gold: what is known of them. needed: how many must be wholly right."""

    tasks: tuple[str, ...] = ()
    gold: tuple[Gold, ...] = ()
    needed: int = 0

    def standing(self, annotator: str, labels: Sequence[Label]) -> dict[str, Any] | None:
        """How this person does: None where there is no practice."""
        if not self.tasks:
            return None
        told: dict[str, bool] = {}
        for label in labels:
            if label.annotator == annotator and (hits := rightness([label], self.gold)):
                told[label.task] = told.get(label.task, True) and all(hits)
        right, answered = sum(told.values()), len(told)
        failed = right + len(self.tasks) - answered < self.needed
        return {
            "of": len(self.tasks),
            "done": answered,
            "right": right,
            "needed": self.needed,
            "failed": failed,
        }

    def lesson(self, label: Label, answers: Mapping[str, Row]) -> dict[str, Any] | None:
        """Whether a label was right, and what is known; None where it is no practice."""
        hits = rightness([label], self.gold)
        if not hits:
            return None
        about = [g for g in self.gold if (g.task, g.kind, g.answer) == (label.task, label.kind, label.answer)]
        return {"right": all(hits), "says": "; ".join(_told(g, answers) for g in about)}


def practice_of(gold: Sequence[Gold], kind: Kind, number: int, *, seed: int) -> Practice:
    """So many of the gold tasks for a question; 80 % of them must be right.

    Raises:
        UserError: there are fewer.
    """
    tasks = sorted({g.task for g in gold if g.kind == kind}, key=lambda task: seed_of("practice", seed, task))
    if len(tasks) < number:
        raise UserError(
            f"{number}", where="--practice", expected=f"at most {len(tasks)}, the gold tasks to {kind}"
        )
    chosen = tuple(tasks[:number])
    known = tuple(g for g in gold if g.kind == kind and g.task in chosen)
    return Practice(chosen, known, math.ceil(RIGHT * number))


def _told(gold: Gold, answers: Mapping[str, Row]) -> str:
    def quoted(answer: str) -> str:
        text = shown(" ".join(answers[answer].data["completion"].split()), 10**9)
        return f"“{text if len(text) <= QUOTED else text[:QUOTED] + '…'}”"

    if gold.kind == "rank":
        return " is better than ".join(" and ".join(map(quoted, tier)) for tier in gold.value)
    return f"{quoted(gold.answer)} is {'good' if gold.value else 'not good'}"
