"""What people say of answers: tasks, labels, and which of them hold after changes of mind and undoing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, get_args

from truenorth.base import UserError, content_hash
from truenorth.records.types import Prompt, Row

Kind = Literal["rank", "rate", "approve", "edit", "flag", "skip"]
KINDS: tuple[Kind, ...] = get_args(Kind)
OF_TASK = ("rank", "skip")  # the others are about one answer
SCALE = 5  # ratings are 1 to 5, 5 is best
FLAGGED = "flagged"  # the reason of a flag without one


class Task(NamedTuple):
    """A prompt and the answers that people compare or value. `answers` are ids of rows."""

    id: str
    prompt: Prompt
    answers: tuple[str, ...]

    @classmethod
    def of(cls, prompt: Prompt, answers: Iterable[str]) -> Task:
        ids = tuple(answers)
        return cls(content_hash([prompt, sorted(ids)]), prompt, ids)


class Label(NamedTuple):
    """One thing that one person said.

    Args:
        value: rank: ids of answers in tiers, best first ([["a"], ["b", "c"]] is a before b and c, which tie);
            rate: 1 to 5; approve: True or False; edit: the better text; flag: the reason; skip: None.
        answer: id of the row it is about; "" where it is about the whole task (rank, skip).
        made: the time, as people write it.
        seconds: from seeing the task to saying this, where known.
        note: where it came from, if not from our page.
        id: its number in the store; 0 before it is stored.
    """

    annotator: str
    task: str
    kind: Kind
    value: Any = None
    answer: str = ""
    principle: str = ""
    constitution: str = ""
    made: str = ""
    seconds: float | None = None
    note: str = ""
    id: int = 0

    @property
    def place(self) -> tuple[str, ...]:
        """A later label of the same place takes the place of an earlier one."""
        return (self.annotator, self.task, self.answer, self.kind, self.principle)


class Gold(NamedTuple):
    """What is known to be right of a task: the value of a label of this kind (see `Label.value`)."""

    task: str
    kind: Kind
    value: Any
    answer: str = ""


class Annotations(NamedTuple):
    """Tasks, their answers, and the labels that hold, in the order in which they were made. No gold tasks."""

    tasks: Mapping[str, Task]
    answers: Mapping[str, Row]
    labels: tuple[Label, ...]


def holding(labels: Iterable[Label], undone: Iterable[int] = ()) -> list[Label]:
    """The labels that hold: not undone, and the last of their place. Undoing brings back what was before.

    >>> first, second = (Label("ann", "t", "rate", n, "a", id=n) for n in (1, 2))
    >>> [label.value for label in holding([first, second])], [x.value for x in holding([first, second], [2])]
    ([2], [1])
    """
    gone = set(undone)
    last = {label.place: label for label in labels if label.id not in gone}
    return sorted(last.values(), key=lambda label: label.id)


def check_label(label: Label, task: Task, *, where: str = "label") -> Label:
    """The label as it may be stored.

    Raises:
        UserError: no name, an answer of another task, or a value that this kind does not have.
    """
    label = label._replace(annotator=check_name(label.annotator, where=where))
    if label.kind not in KINDS:
        raise UserError(f"kind {label.kind!r}", where=where, expected="one of " + ", ".join(KINDS))
    if label.kind in OF_TASK and label.answer:
        raise UserError(f"{label.kind} is about a task, not an answer", where=where)
    if label.kind not in OF_TASK and label.answer not in task.answers:
        raise UserError(f"no answer {label.answer!r} in task {task.id}", where=where)
    wrong = _wrong(label.kind, label.value, task)
    if wrong:
        raise UserError(f"{label.kind} {label.value!r}", where=where, expected=wrong)
    return label._replace(value=label.value.strip() or FLAGGED) if label.kind == "flag" else label


def check_name(name: Any, *, where: str = "annotator") -> str:
    """A person's name as it is kept: without spaces at its ends.

    Raises:
        UserError: none, too long, or with characters that do not print.
    """
    if not isinstance(name, str) or not name.strip() or len(name) > 60 or not name.isprintable():
        raise UserError(f"annotator {name!r}", where=where, expected="a name of 1 to 60 printable characters")
    return name.strip()


def _wrong(kind: Kind, value: Any, task: Task) -> str:
    """What would have been right, where the value is wrong."""
    if kind == "rank":
        tiers = value if isinstance(value, (list, tuple)) else []
        placed = [a for tier in tiers if isinstance(tier, (list, tuple)) for a in tier]
        good = all(isinstance(tier, (list, tuple)) and tier for tier in tiers) and len(placed) > 1
        good = good and len(set(map(str, placed))) == len(placed) and set(placed) <= set(task.answers)
        return "" if good else "two answers of the task or more, each once, in tiers, best first"
    if kind == "rate":
        good = type(value) is int and 1 <= value <= SCALE
        return "" if good else f"a whole number from 1 to {SCALE}"
    if kind == "approve":
        return "" if isinstance(value, bool) else "true or false"
    if kind == "edit":
        return "" if isinstance(value, str) and value.strip() else "the text of a better answer"
    if kind == "flag":
        return "" if isinstance(value, str) else "a reason, which may be empty"
    return "" if value is None else "no value"


class Opinion(NamedTuple):
    """Everything that one person said of one task, judged by one principle (or none)."""

    annotator: str
    task: str
    principle: str
    labels: tuple[Label, ...]


def opinions(labels: Iterable[Label]) -> list[Opinion]:
    """The labels by task, principle and person, in order of first appearance."""
    found: dict[tuple[str, str, str], list[Label]] = {}
    for label in labels:
        found.setdefault((label.annotator, label.task, label.principle), []).append(label)
    return [Opinion(*key, tuple(members)) for key, members in found.items()]


def places(task: Task) -> dict[str, str]:
    """answer_1, answer_2, ... -> the rows' ids, in an order that says nothing of who wrote them."""
    return {f"answer_{i}": answer for i, answer in enumerate(sorted(task.answers), start=1)}


class Sheet(NamedTuple):
    """A task under one principle (or none), its texts by place, and what people said of it: for other tools."""

    task: Task
    principle: str
    texts: dict[str, str]
    said: list[Opinion]


def sheets(found: Annotations) -> list[Sheet]:
    """Every task, under each principle that people have judged by so far."""
    principles = list(dict.fromkeys(label.principle for label in found.labels)) or [""]
    said: dict[tuple[str, str], list[Opinion]] = {}
    for opinion in opinions(found.labels):
        said.setdefault((opinion.task, opinion.principle), []).append(opinion)
    return [
        Sheet(
            task,
            principle,
            {place: found.answers[a].data["completion"] for place, a in places(task).items()},
            said.get((task.id, principle), []),
        )
        for principle in principles
        for task in found.tasks.values()
    ]
