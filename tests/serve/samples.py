"""A small store of tasks that tests label: two prompts with three and two answers, by models that must not show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from truenorth.records import Row, Source
from truenorth.records.label_store import LabelStore
from truenorth.records.labels import Label, Task
from truenorth.serve.gathering import Work

ASK, SUM = "Which boat does Lekin Bena sail?", "What is 2 + 3?"
MODELS = ("secret-small", "secret-big", "secret-odd")
EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def answers() -> dict[str, list[Row]]:
    """Prompt -> rows of its answers, in the order of MODELS."""
    said = {ASK: ["The Dunlin.", "A sloop, the Dunlin.", EVIL], SUM: ["5", "6"]}
    return {
        prompt: [
            Row({"prompt": prompt, "completion": text}, Source("sample", model=model))
            for text, model in zip(texts, MODELS)
        ]
        for prompt, texts in said.items()
    }


def work() -> Work:
    rows = answers()
    tasks = [Task.of(prompt, [row.id for row in members]) for prompt, members in rows.items()]
    by_id = {row.id: row for members in rows.values() for row in members}
    return Work(tasks, by_id, len(tasks), len(by_id))


def a_store(path: Path) -> LabelStore:
    """A store that knows the tasks of `work`."""
    store, made = LabelStore(path), work()
    store.add_tasks(made.tasks, made.answers)
    return store


def boat() -> tuple[Task, list[str]]:
    """The task about the boat, and the ids of its answers in the order of MODELS."""
    return work().tasks[0], [row.id for row in answers()[ASK]]


def by(annotator: str, kind: Any, value: Any, answer: str = "", **more: Any) -> Label:
    return Label(annotator, boat()[0].id, kind, value, answer, **more)
