"""Answers of a run, or of a file, as tasks for people: answers to one prompt stand side by side."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from truenorth.base import UserError, seed_of
from truenorth.engine import View
from truenorth.records import Row, Source
from truenorth.records.label_store import LabelStore
from truenorth.records.labels import Gold, Task
from truenorth.records.tables import read_rows
from truenorth.records.trl import prompt_of

COLUMNS = "prompt and completion (one answer a row), completions (a list), or chosen and rejected"


class Work(NamedTuple):
    """Tasks, the rows of their answers by id, how many prompts and answers there were to draw from, and what is
    known of those tasks that are gold."""

    tasks: list[Task]
    answers: dict[str, Row]
    prompts: int
    rows: int
    gold: tuple[Gold, ...] = ()

    def with_gold(self, other: Work) -> Work:
        """These tasks with another's gold ones among them."""
        mine = {task.id for task in other.tasks}
        tasks = [task for task in self.tasks if task.id not in mine] + other.tasks
        return Work(tasks, self.answers | other.answers, self.prompts, self.rows, other.gold)


def gather(
    source: Path,
    *,
    steps: Sequence[str] = (),
    principle: str = "",
    limit: int = 100,
    answers: int = 4,
    seed: int = 0,
) -> Work:
    """Tasks from a run directory or a table of answers: the same ones whenever asked with the same settings.

    Args:
        steps: of a run; by default `answers`, else whatever was measured.
        principle: where answers were measured for principles, only those of this one.
        limit: prompts at most, drawn by the seed. answers: to one prompt at most, of different models first.

    Raises:
        UserError: no such run or file, no answers in it, or a step that is not there.
    """
    rows = run_answers(source, steps, principle) if source.is_dir() else file_answers(source)
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[_key(row.data["prompt"])].append(row)
    drawn = sorted(groups, key=lambda key: seed_of("prompt", seed, key))
    drawn.sort(
        key=lambda key: len({r.data["completion"] for r in groups[key]}) < 2
    )  # what can be compared first
    tasks: list[Task] = []
    kept: dict[str, Row] = {}
    for key in drawn[:limit]:
        chosen = choose(groups[key], answers, random.Random(seed_of("answers", seed, key)))
        tasks.append(Task.of(chosen[0].data["prompt"], [row.id for row in chosen]))
        kept |= {row.id: row for row in chosen}
    return Work(tasks, kept, len(groups), len(rows))


def gather_queue(store: LabelStore) -> Work:
    """Everything that waits in a file of labels, put there by a judge (see `judges.people`) or by this page before.

    Raises:
        UserError: nothing does.
    """
    tasks, answers = store.tasks(), store.answers()
    if not tasks:
        raise UserError(
            "no answers wait in it", where=str(store.path), fix="ask a judge of people:FILE first"
        )
    return Work(list(tasks.values()), answers, len(tasks), len(answers), tuple(store.gold()))


def gather_gold(path: Path) -> Work:
    """Tasks whose right answer is known: rows with `label` (good or not), or `chosen` and `rejected`.

    Raises:
        UserError: no such file, or a row from which nothing is known.
    """
    found = gather(path, limit=10**9, answers=9)
    place = {(_key(row.data["prompt"]), row.data["completion"]): row.id for row in found.answers.values()}
    of = {answer: task.id for task in found.tasks for answer in task.answers}
    gold = []
    for number, row in enumerate(read_rows(path), start=1):
        key = _key(_plain(prompt_of(row)))
        texts = [_text(row[k]) for k in ("completion", "chosen", "rejected") if k in row]
        ids = [place[key, text] for text in texts if (key, text) in place]
        if "label" in row and len(ids) == 1:
            gold.append(Gold(of[ids[0]], "approve", float(row["label"]) > 0.5, ids[0]))
        elif len(ids) == 2:
            gold.append(Gold(of[ids[0]], "rank", [[ids[0]], [ids[1]]]))
        else:
            expected = "prompt, completion and label, or prompt, chosen and rejected"
            raise UserError(
                "nothing is known from this row", where=f"{path}, row {number}", expected=expected
            )
    return found._replace(gold=tuple(gold))


def choose(rows: Sequence[Row], most: int, chance: random.Random) -> list[Row]:
    """Answers to one prompt: each text once, taking turns between models, in an order that says nothing."""
    by_text = {row.data["completion"]: row for row in chance.sample(rows, len(rows))}
    by_model: dict[str, list[Row]] = defaultdict(list)
    for row in by_text.values():
        by_model[row.source.model].append(row)
    turns = [row for i in range(len(rows)) for of in by_model.values() for row in of[i : i + 1]]
    return sorted(turns[:most], key=lambda row: row.id)


def run_answers(path: Path, steps: Sequence[str], principle: str) -> list[Row]:
    """The answers in a run's steps: rows with a prompt and one answer.

    Raises:
        UserError: it is no run, has no such step, or no answers.
    """
    view = View.read(path)
    names = list(steps) or _default_steps(view)
    found = [row for name in names for row in view.rows(name) if _is_answer(row.data)]
    asked = [r for r in found if r.source.producer != "measure" or r.source.principle == principle]
    kept = asked if principle else found
    if not kept:
        have = ", ".join(dict.fromkeys(s.name for s in view.steps if s.kind == "rows")) or "none"
        about = f" about {principle!r}" if principle and found else ""
        where = f"{path}, steps {', '.join(names)}" if names else str(path)
        raise UserError(f"no answers{about}", where=where, fix=f"steps with rows: {have}; choose with --step")
    return [_answer(row.data["prompt"], row.data["completion"], row.source, row.id) for row in kept]


def file_answers(path: Path) -> list[Row]:
    """The answers in a table of one's own; `model` (chosen_model, rejected_model, models) says who wrote them.

    Raises:
        UserError: no such file, other columns, or no answers.
    """
    rows = []
    for number, row in enumerate(read_rows(path), start=1):
        where = f"{path}, row {number}"
        rows += [
            _answer(prompt_of(row), said, Source(f"file:{path.name}", model=model, note=f"row {number}"))
            for said, model in _said(row, where)
        ]
    kept = [row for row in rows if row.data["completion"].strip()]
    if not kept:
        raise UserError("no answers", where=str(path), expected=COLUMNS)
    return kept


def _said(row: Mapping[str, Any], where: str) -> list[tuple[Any, str]]:
    """(answer, model) of each answer in a row of a table."""
    if row.get("completion") is not None and "prompt" in row:
        return [(row["completion"], str(row.get("model") or ""))]
    if isinstance(row.get("completions"), list) and "prompt" in row:
        models = row.get("models") or [""] * len(row["completions"])
        return list(zip(row["completions"], map(str, models)))
    if {"chosen", "rejected"} <= set(row) and "prompt" in row:
        return [(row[k], str(row.get(f"{k}_model") or "")) for k in ("chosen", "rejected")]
    raise UserError("no answer in this row", where=where, expected=COLUMNS)


def _default_steps(view: View) -> list[str]:
    names = list(dict.fromkeys(step.name for step in view.steps if step.kind == "rows"))
    if "answers" in names:
        return ["answers"]
    with_answers = [n for n in names if any(_is_answer(row.data) for row in view.rows(n))]
    measured = [n for n in with_answers if any(r.source.producer == "measure" for r in view.rows(n))]
    return measured or with_answers


def _is_answer(data: Mapping[str, Any]) -> bool:
    said = data.get("completion")
    return "prompt" in data and bool(said) and bool(_text(said).strip())


def _answer(prompt: Any, said: Any, source: Source, row_id: str = "") -> Row:
    return Row({"prompt": _plain(prompt), "completion": _text(said)}, source, id=row_id)


def _plain(prompt: Any) -> Any:
    """A prompt without what tables add to its turns."""
    return (
        prompt if isinstance(prompt, str) else [{"role": m["role"], "content": m["content"]} for m in prompt]
    )


def _text(said: Any) -> str:
    return said if isinstance(said, str) else "\n".join(str(turn.get("content") or "") for turn in said)


def _key(prompt: Any) -> str:
    return prompt if isinstance(prompt, str) else "\n".join(f"{m['role']}: {m['content']}" for m in prompt)
