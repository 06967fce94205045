"""What each annotator is shown and what they have said: blind, in an order of their own, and resumable.

Tasks, and the answers in a task, stand in an order that depends on the annotator's name and the seed, so that no
place is anybody's favourite. The page knows answers by their places only; which row, and so which model, stands
at a place is known here.
"""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

from truenorth.base import UserError, seed_of
from truenorth.records import Row, as_messages
from truenorth.records.label_agreement import Agreement, agreement
from truenorth.records.label_store import LabelStore
from truenorth.records.labels import KINDS, OF_TASK, Label, Task, check_name
from truenorth.serve.exchange import at, mark, seconds, tiers, told, words
from truenorth.serve.gathering import Work
from truenorth.serve.practice import Practice, practice_of

Ask = Literal["rank", "rate", "approve"]
ASKS: tuple[Ask, ...] = get_args(Ask)


class Criterion(NamedTuple):
    """What people judge by: a principle of a constitution, or nothing in particular."""

    principle: str = ""
    title: str = ""
    statement: str = ""
    constitution: str = ""


class Desk:
    """The tasks on the table, and the labels that come in.

    Args:
        ask: what the page asks first. seed: of all orders.
        votes: people who are to label each task; 0: everybody labels all.
        practice: gold tasks of the first question that everybody must pass before the others.
        grows: others put tasks into the store while the page is open, and they are shown too.
        clock: the time, as it is written down.
    """

    def __init__(
        self,
        store: LabelStore,
        work: Work,
        *,
        ask: Ask = "rank",
        criterion: Criterion | None = None,
        seed: int = 0,
        votes: int = 0,
        practice: int = 0,
        grows: bool = False,
        clock: Callable[[], str] = lambda: time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    ):
        self.store, self.ask, self.seed, self.votes = store, ask, seed, votes
        self.criterion = criterion or Criterion()
        self.tasks = {task.id: task for task in work.tasks}
        self.answers: Mapping[str, Row] = work.answers
        self._gold = {(gold.task, gold.kind) for gold in work.gold}
        self._told: dict[Ask, tuple[int, Agreement]] = {}  # at which entry of the store, and what
        self.practice: dict[Ask, Practice] = {ask: Practice() for ask in ASKS}
        if practice:
            self.practice[ask] = practice_of(work.gold, ask, practice, seed=seed)
        self._clock, self._grows = clock, grows
        store.add_tasks(work.tasks, work.answers)
        store.add_gold(work.gold)

    def state(self, annotator: str, ask: Ask) -> dict[str, Any]:
        """How far this person is, and how far people agree."""
        self._grow()
        labels = self._labels()
        queue = self.queue(annotator, ask, labels)
        finished = _finished(labels, self.tasks, ask)
        done = sum(annotator in finished[t] for t in queue)
        spent = Counter(label.kind for label in labels if label.annotator == annotator)
        found = self._agreement(ask, labels)
        return {
            "done": done,
            "total": len(queue),
            "mine": dict(spent),
            "agreement": told(found),
            "ask": ask,
            "practice": self.practice[ask].standing(annotator, labels),
        }

    def next(self, annotator: str, ask: Ask) -> dict[str, Any] | None:
        """The first task of this person's queue that they have not finished; None at its end, or if practice failed."""
        self._grow()
        labels = self._labels()
        practice = self.practice[ask].standing(annotator, labels)
        if practice and practice["failed"]:
            return None
        finished = _finished(labels, self.tasks, ask)
        left = (t for t in self.queue(annotator, ask, labels) if annotator not in finished[t])
        found = next(left, None)
        return None if found is None else self.view(annotator, found)

    def queue(self, annotator: str, ask: Ask, labels: Sequence[Label]) -> list[str]:
        """The tasks for this person: practice, then the others and gold, in an order of their own.

        A task that enough others have finished with is not in it, unless it is gold.
        """
        known = {task for task, kind in self._gold if kind != ask} - {
            t for t, kind in self._gold if kind == ask
        }
        ids = [
            t.id for t in self.tasks.values() if (ask != "rank" or len(t.answers) > 1) and t.id not in known
        ]
        random.Random(seed_of("tasks", self.seed, annotator)).shuffle(ids)
        first = self.practice[ask].tasks
        ids = [*first, *(t for t in ids if t not in first)]
        if not self.votes:
            return ids
        finished = _finished(labels, self.tasks, ask)
        gold = {task for task, _ in self._gold}
        return [t for t in ids if t in gold or annotator in finished[t] or len(finished[t]) < self.votes]

    def view(self, annotator: str, task_id: str) -> dict[str, Any]:
        """A task as the page gets it: texts by place, and this person's own labels. Nothing says who wrote what."""
        order = self.order(annotator, task_id)
        mine = [x for x in self._labels() if x.annotator == annotator and x.task == task_id]
        answers = [words(self.answers[a].data["completion"]) for a in order]
        return {
            "task": task_id,
            "prompt": [
                words(m["content"]) | {"role": m["role"]} for m in as_messages(self.tasks[task_id].prompt)
            ],
            "answers": answers,
            "marks": [mark(label, order) for label in mine],
        }

    def order(self, annotator: str, task_id: str) -> list[str]:
        """The answers' ids in the order in which this person sees them.

        Raises:
            UserError: no such task here.
        """
        if task_id not in self.tasks:
            raise UserError(f"no task {task_id!r}", where="task")
        ids = sorted(self.tasks[task_id].answers)
        random.Random(seed_of("order", self.seed, annotator, task_id)).shuffle(ids)
        return ids

    def label(self, body: Mapping[str, Any]) -> Label:
        """Store what the page sent: annotator, task, kind, value, place of the answer, seconds.

        Raises:
            UserError: anything in it is not as it should be.
        """
        annotator, kind = check_name(body.get("annotator")), body.get("kind")
        order, value = self.order(annotator, str(body.get("task"))), body.get("value")
        if kind not in KINDS:
            raise UserError(f"kind {kind!r}", where="label", expected="one of " + ", ".join(KINDS))
        if kind == "rank":
            value = [[at(order, place) for place in tier] for tier in tiers(value)]
        label = Label(
            annotator,
            str(body["task"]),
            kind,
            value,
            "" if kind in OF_TASK else at(order, body.get("answer")),
            self.criterion.principle,
            self.criterion.constitution,
            self._clock(),
            seconds(body.get("seconds")),
        )
        self._check_practice(label)
        [stored] = self.store.add(label)
        return stored

    def undo(self, annotator: str) -> dict[str, Any] | None:
        """Take back this person's last label of what is on this desk; the task it was about, or None.

        Practice is not taken back: the known answer has been told.
        """
        gone = self.store.undo(check_name(annotator), among=self._undoable, made=self._clock())
        return None if gone is None else self.view(annotator, gone.task) | {"undone": gone.kind}

    def _grow(self) -> None:
        """Take up what was put into the store since the last time."""
        if self._grows and self.store.size() > len(self.tasks):
            self.tasks, self.answers = self.store.tasks(), self.store.answers()

    def _labels(self) -> list[Label]:
        return [label for label in self.store.labels() if self._here(label)]

    def _here(self, label: Label) -> bool:
        """Whether it is about a task on this desk, by what is asked now: another principle is another question."""
        return label.principle == self.criterion.principle and label.task in self.tasks

    def _check_practice(self, label: Label) -> None:
        """Practice is answered, and once: the known answer is told at once."""
        if any(label.task in practice.tasks for practice in self.practice.values()):
            if label.kind == "skip":
                raise UserError("practice cannot be skipped", where="label")
            if label.kind in ASKS and any(x.place == label.place for x in self._labels()):
                raise UserError("this practice has been answered", where="label")

    def _undoable(self, label: Label) -> bool:
        practised = any(label.task in practice.tasks for practice in self.practice.values())
        return self._here(label) and not practised

    def _agreement(self, ask: Ask, labels: Sequence[Label]) -> Agreement:
        """Computed anew when the entries have grown by a hundredth: at 25,000 labels it takes half a second."""
        last = self.store.last
        was, found = self._told.get(ask, (-1, None))
        if found is None or last - was > was // 100:
            known = {task for task, _ in self._gold}
            found = agreement([x for x in labels if x.task not in known], ask)
            self._told[ask] = (last, found)
        return found


def _finished(labels: Sequence[Label], tasks: Mapping[str, Task], ask: Ask) -> dict[str, set[str]]:
    """Task -> who has finished with it: ranked it, valued every answer, or skipped it."""
    done: dict[str, set[str]] = defaultdict(set)
    valued: dict[tuple[str, str], set[str]] = defaultdict(set)
    for label in labels:
        if label.kind == "skip" or label.kind == ask == "rank":
            done[label.task].add(label.annotator)
        elif label.kind == ask:
            valued[label.task, label.annotator].add(label.answer)
    for (task, annotator), answers in valued.items():
        if answers >= set(tasks[task].answers):
            done[task].add(annotator)
    return done
