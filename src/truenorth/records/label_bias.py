"""Whether a person treats one group's answers (a dialect's, say) otherwise than the others do.

From approvals: how much more often somebody wrongly says "not good" (or "good") of one group's answers than of the
rest; another principle is another question. What is right is Dawid and Skene's (1979) likeliest truth, with gold where
it is known. Somebody leans where that difference excludes 0 and is larger than that of everybody else on the same
answers. Intervals are widened for the number of questions asked (Bonferroni), so that a look at many people blames
hardly anybody. Where all lean alike nobody stands out: only gold tells that.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from truenorth.base import UserError
from truenorth.records.label_crowd import Item, item_of
from truenorth.records.labels import Gold, Label, Task
from truenorth.records.tables import read_rows
from truenorth.records.trl import prompt_of
from truenorth.records.types import Row
from truenorth.stats import Estimate, dawid_skene, group_bias


class Lean(NamedTuple):
    """How much more often somebody wrongly says `good` (True) or not (False) of a group than of the rest.

    `difference`: of rates, theirs. `beyond`: by how much it exceeds everybody else's. `leans`: both are above 0.
    """

    name: str
    group: str
    good: bool
    difference: Estimate
    beyond: Estimate
    leans: bool

    def __str__(self) -> str:
        called = "good" if self.good else "not good"
        told = f"{self.name:20} calls {self.group!r} {called} wrongly: {self.difference} more often than the rest"
        return told + (f"  <- {self.beyond.mean:+.2f} beyond the others" if self.leans else "")


def leanings(
    labels: Sequence[Label], gold: Sequence[Gold], groups: Mapping[str, str], *, level: float = 0.95
) -> list[Lean]:
    """For every person, the group and the verdict with the largest difference, those who lean first.

    Args:
        groups: id of an answer -> its group; others are left out.
        level: of all intervals together.

    Raises:
        UserError: fewer than two groups among what was approved or not.
    """
    rows = [
        ((x.task, x.answer, x.principle), x.annotator, bool(x.value))
        for x in labels
        if x.kind == "approve" and x.answer in groups
    ]
    of = {item: groups[item[1]] for item, _, _ in rows}
    tasks = {item: item[0] for item in of}
    if len(set(of.values())) < 2:
        expected = "approvals (good, not good) of answers of two groups at least"
        n = len(set(of.values()))
        what = f"{n} group{'s' * (n != 1)} among what was labelled"
        raise UserError(what, where="groups", expected=expected)
    right = {(g.task, g.answer): bool(g.value) for g in gold if g.kind == "approve"}
    known: dict[Hashable, Hashable] = {item: right[item[:2]] for item in of if item[:2] in right}
    if len(set(known.values())) < 2:
        known = {}  # one side alone says nothing of the other
    crowd = dawid_skene(rows, gold=known)
    sides = 1 if len(set(of.values())) == 2 else len(set(of.values()))  # two groups mirror one another
    asked = 2 * len(crowd.annotators) * sides
    found = [
        lean(bias.annotator, bias.group, good, bias.difference, bias.others)
        for good in (False, True)
        for bias in group_bias(rows, crowd, of, label=good, clusters=tasks, level=1 - (1 - level) / asked)
    ]
    most: dict[tuple[str, bool], Lean] = {}
    for one in sorted(found, key=lambda one: (not one.leans, -one.difference.mean)):
        most.setdefault((one.name, one.good), one)
    return sorted(most.values(), key=lambda one: (not one.leans, one.name, one.good))


def lean(name: Hashable, group: Hashable, good: bool, mine: Estimate, others: Estimate) -> Lean:
    """One person beside the others. Source: MOVER (Zou and Donner 2008), for the difference of two differences."""
    gap = mine.mean - others.mean
    low = gap - math.hypot(mine.mean - mine.low, others.high - others.mean)
    high = gap + math.hypot(mine.high - mine.mean, others.mean - others.low)
    return Lean(str(name), str(group), good, mine, Estimate(gap, low, high, mine.n), mine.low > 0 and low > 0)


def groups_of(
    path: Path, column: str, tasks: Mapping[str, Task], answers: Mapping[str, Row]
) -> dict[str, str]:
    """Id of an answer -> its group, as a table's column has it for its prompt, or for the prompt and completion.

    Raises:
        UserError: no such file or column, or it speaks of none of the answers.
    """
    rows = read_rows(path)
    if not any(column in row for row in rows):
        expected = "one of " + ", ".join(sorted({k for row in rows for k in row} - {"prompt", "completion"}))
        raise UserError(f"no column {column!r}", where=str(path), expected=expected)
    known: dict[Item, str] = {}
    for row in rows:
        if row.get(column) is not None and "prompt" in row:
            text = row.get("completion")
            known[item_of(prompt_of(row), text if isinstance(text, str) else "")] = str(row[column])
    found = {}
    for task in tasks.values():
        for answer in task.answers:
            item = item_of(task.prompt, answers[answer].data["completion"])
            group = known.get(item, known.get((item[0], "")))
            if group is not None:
                found[answer] = group
    if not found:
        raise UserError(
            "speaks of none of the answers", where=str(path), expected="their prompts (and completions)"
        )
    return found
