"""Labels on disk: one SQLite file, a transaction a label. What was said is never changed, only followed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from truenorth.base import UserError
from truenorth.records.labels import Annotations, Gold, Label, Task, check_label, holding
from truenorth.records.types import Row, Source

SQLITE = b"SQLite format 3\x00"  # how any such file begins
APPLICATION = 0x544E4C42  # "TNLB", in the file's header: these are our labels and nobody else's tables
VERSION = 1
TABLES = """
CREATE TABLE answers (id TEXT PRIMARY KEY, row TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE tasks (id TEXT PRIMARY KEY, prompt TEXT NOT NULL, answers TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE gold (task TEXT, kind TEXT, answer TEXT, value TEXT NOT NULL, PRIMARY KEY (task, kind, answer));
CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT, annotator TEXT NOT NULL, task TEXT NOT NULL, kind TEXT NOT NULL,
  value TEXT NOT NULL, answer TEXT NOT NULL, principle TEXT NOT NULL, constitution TEXT NOT NULL,
  made TEXT NOT NULL, seconds REAL, note TEXT NOT NULL, undoes INTEGER
);
"""
FIELDS = (
    "annotator", "task", "kind", "value", "answer", "principle", "constitution", "made", "seconds", "note",
)  # fmt: skip


class LabelStore:
    """A file of tasks, answers and labels. Several processes may have it open at once.

    Every label is on disk before `add` returns: a killed process, or a power cut, loses none that was confirmed.
    """

    def __init__(self, path: str | Path, *, create: bool = True):
        """Raises: UserError: there is no such file (without `create`), or it holds something else."""
        self.path = Path(path)
        if not create and not self.path.is_file():
            raise UserError("no labels yet", where=str(path), fix="truenorth annotate makes some")
        self._labels: list[Label] = []
        self._undone: set[int] = set()
        self._holding: list[Label] | None = []
        self.last = 0  # the last entry that was read: it is in the three above
        with self._errors("open"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=30, check_same_thread=False)
            self._begin()

    def add_tasks(self, tasks: Iterable[Task], answers: Mapping[str, Row]) -> None:
        """Keep tasks with their answers, so that labels can be read where the run is gone. Known ones stay."""
        rows, kept = [], []
        for task in tasks:
            kept.append((task.id, json.dumps(task.prompt), json.dumps(task.answers)))
            rows += [(a, json.dumps(answers[a].to_dict())) for a in task.answers]
        with self._errors("store tasks"), self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?)", rows)
            self._db.executemany("INSERT OR IGNORE INTO tasks VALUES (?, ?, ?)", kept)

    def add_gold(self, known: Iterable[Gold]) -> None:
        """Keep what is known of tasks that look like any other. Their labels tell of people, not of answers."""
        rows = [(g.task, g.kind, g.answer, json.dumps(g.value)) for g in known]
        with self._errors("store gold"), self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO gold VALUES (?, ?, ?, ?)", rows)

    def add(self, *labels: Label) -> list[Label]:
        """Store labels in one transaction; returns them with their numbers.

        Raises:
            UserError: an unknown task, a value that is not allowed, or the disk is full.
        """
        tasks = self.tasks()
        checked = [check_label(label, self._task(label.task, tasks)) for label in labels]
        with self._errors("store a label"), self._transaction():
            return [label._replace(id=self._insert(label, None)) for label in checked]

    def undo(
        self, annotator: str, *, among: Callable[[Label], bool] = lambda label: True, made: str = ""
    ) -> Label | None:
        """Take back the last label of this person that still stands (and is `among` those meant), or None."""
        with self._errors("undo"), self._transaction():
            self._catch_up()
            mine = [
                x for x in self._labels if x.annotator == annotator and x.id not in self._undone and among(x)
            ]
            if not mine:
                return None
            self._insert(mine[-1]._replace(made=made), mine[-1].id)
        return mine[-1]

    def tasks(self) -> dict[str, Task]:
        found = self._db.execute("SELECT id, prompt, answers FROM tasks ORDER BY id").fetchall()
        return {i: Task(i, json.loads(prompt), tuple(json.loads(ids))) for i, prompt, ids in found}

    def answers(self) -> dict[str, Row]:
        found = self._db.execute("SELECT row FROM answers ORDER BY id").fetchall()
        rows = [_row(json.loads(text)) for (text,) in found]
        return {row.id: row for row in rows}

    def size(self) -> int:
        """How many tasks there are."""
        [n] = self._db.execute("SELECT count(*) FROM tasks").fetchone()
        return int(n)

    def gold(self) -> list[Gold]:
        found = self._db.execute(
            "SELECT task, kind, value, answer FROM gold ORDER BY task, kind, answer"
        ).fetchall()
        return [Gold(task, kind, json.loads(value), answer) for task, kind, value, answer in found]

    def labels(self) -> list[Label]:
        """The labels that hold, those of gold tasks among them, in the order in which they were made."""
        self._catch_up()
        if self._holding is None:
            self._holding = holding(self._labels, self._undone)
        return list(self._holding)

    def trials(self) -> list[Label]:
        """The labels of gold tasks that hold."""
        known = {gold.task for gold in self.gold()}
        return [label for label in self.labels() if label.task in known]

    def annotations(self) -> Annotations:
        """Everything but gold tasks, for reading."""
        known = {gold.task for gold in self.gold()}
        tasks = {i: task for i, task in self.tasks().items() if i not in known}
        return Annotations(tasks, self.answers(), tuple(x for x in self.labels() if x.task not in known))

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> LabelStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self) -> None:
        [application] = self._db.execute("PRAGMA application_id").fetchone()
        [version] = self._db.execute("PRAGMA user_version").fetchone()
        [tables] = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and (application, version) != (APPLICATION, VERSION):
            raise UserError(
                "holds something else than labels", where=str(self.path), fix="choose another file"
            )
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        with self._transaction():  # two processes may start at the same moment
            if not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                for statement in filter(str.strip, TABLES.split(";")):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA application_id={APPLICATION}")
                self._db.execute(f"PRAGMA user_version={VERSION}")

    def _insert(self, label: Label, undoes: int | None) -> int:
        given = label._asdict() | {"value": json.dumps(label.value)}
        marks = ", ".join("?" * (len(FIELDS) + 1))
        done = self._db.execute(
            f"INSERT INTO events ({', '.join(FIELDS)}, undoes) VALUES ({marks})",
            [*(given[field] for field in FIELDS), undoes],
        )
        assert done.lastrowid is not None
        return done.lastrowid

    def _catch_up(self) -> None:
        """Read what was added since the last time, by whichever process."""
        fresh = self._db.execute(
            f"SELECT id, undoes, {', '.join(FIELDS)} FROM events WHERE id > ? ORDER BY id", [self.last]
        ).fetchall()
        for number, undoes, *values in fresh:
            self.last, self._holding = number, None
            if undoes is not None:
                self._undone.add(undoes)
            else:
                given: dict[str, Any] = dict(zip(FIELDS, values))
                self._labels.append(Label(**given | {"value": json.loads(given["value"]), "id": number}))

    def _task(self, name: str, tasks: Mapping[str, Task]) -> Task:
        if name not in tasks:
            raise UserError(f"no task {name!r}", where=str(self.path))
        return tasks[name]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk may have rolled it back already
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            fix = "free space, or choose another file: what was stored is safe"
            raise UserError(f"cannot {doing} ({error})", where=str(self.path), fix=fix) from error


def is_store(path: Path) -> bool:
    """Whether a file is SQLite's, and so a file of labels or nothing that we could read."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(SQLITE)) == SQLITE


def _row(value: dict[str, Any]) -> Row:
    data = {k: v for k, v in value.items() if k not in ("id", "source")}
    return Row(data, Source.from_dict(value["source"]), id=value["id"])
