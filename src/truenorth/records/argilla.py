"""Tasks and labels as Argilla's records, and the settings of the dataset that holds them.

Formats: `Dataset.records.to_json` (and its flat form, `to_datasets`) and `Settings.to_json` of argilla 2.8. People
are UUIDs there: ours are made from the name, and `metadata.annotators` says which is whose. Its rankings have no
ties; a ranking with ties is kept as one place an answer. It has no answerless response: skips stay here.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from truenorth.base import UserError
from truenorth.records.label_studio import BAD, CONTROLS, GOOD, KINDS, Read, most_answers, turns
from truenorth.records.labels import (
    SCALE,
    Annotations,
    Label,
    Opinion,
    Task,
    check_label,
    places,
    sheets,
)

Json = dict[str, Any]
NOTE = "argilla"
SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "truenorth:annotators")
SUBMITTED = "submitted"  # the others are drafts and discarded ones


def to_argilla(found: Annotations) -> list[Json]:
    """Every task as a record with its responses. Models' names are not in it."""
    made = []
    for task, principle, texts, said in sheets(found):
        responses: dict[str, list[Json]] = {}
        people = []
        for opinion in said:
            user = str(uuid.uuid5(SPACE, opinion.annotator))
            people.append(f"{user} {opinion.annotator}")
            for question, value in _answers(opinion, task):
                response = {"value": value, "user_id": user, "status": SUBMITTED}
                responses.setdefault(question, []).append(response)
        metadata: Json = {"task": task.id} | ({"principle": principle} if principle else {})
        made.append(
            {
                "id": f"{task.id}:{principle}" if principle else task.id,
                "fields": {"prompt": turns(task.prompt), **texts},
                "metadata": metadata | ({"annotators": people} if people else {}),
                "suggestions": {},
                "responses": responses,
                "vectors": {},
                "_server_id": None,
            }
        )
    return made


def from_argilla(records: Sequence[Mapping[str, Any]], tasks: Mapping[str, Task], *, where: str) -> Read:
    """The labels in records, nested or flat, that came from `to_argilla`. Drafts are no labels.

    Args:
        tasks: ours, by id.

    Raises:
        UserError: a record that is not ours, or a value that is not allowed, with its place in the file.
    """
    read = Read([], Counter())
    for number, given in enumerate(records, start=1):
        record, at = nested(given), f"{where}, record {number}"
        name, _, principle = str(record.get("id") or "").partition(":")
        if name not in tasks:
            raise UserError("not one of these tasks", where=at, fix="export the records from here first")
        read.labels.extend(_labels(record, tasks[name], principle, read.left_out, at))
    return read


def argilla_settings(found: Annotations) -> Json:
    """The dataset's settings, as `Settings.from_json` reads them."""
    most = most_answers(found)
    tied = any(len(tier) > 1 for label in found.labels if label.kind == "rank" for tier in label.value)
    names = [f"answer_{i}" for i in range(1, most + 1)]
    text = {"type": "text", "use_markdown": False}
    numbers = [{"value": i} for i in range(1, SCALE + 1)]
    words = [{"value": word, "text": word} for word in (GOOD, BAD)]
    questions = []
    if most > 1:
        options = [{"value": name, "text": name} for name in names]
        questions.append(_question("ranking", "Rank, best first", {"type": "ranking", "options": options}))
    for i in range(1, most + 1):
        kinds: dict[str, Json] = {
            "rating": {"type": "rating", "options": numbers},
            "verdict": {"type": "label_selection", "options": words, "visible_options": None},
            "edit": text,
            "flag": text,
        }
        if tied:
            kinds["place"] = {"type": "rating", "options": [{"value": n} for n in range(1, most + 1)]}
        questions += [_question(f"{kind}_{i}", f"{kind} of answer {i}", how) for kind, how in kinds.items()]
    fields = [
        {"name": name, "title": name, "required": name in ("prompt", "answer_1"), "settings": text}
        for name in ("prompt", *names)
    ]
    return {
        "fields": fields,
        "questions": questions,
        "metadata": [],
        "vectors": [],
        "allow_extra_metadata": True,
    }


def nested(record: Mapping[str, Any]) -> Json:
    """A record with `responses` by question, from either form; nothing missing."""
    made: Json = {"id": record.get("id"), "metadata": dict(record.get("metadata") or {}), "responses": {}}
    if isinstance(record.get("responses"), Mapping):
        made["responses"] = {k: v or [] for k, v in record["responses"].items()}
        return made
    made["metadata"]["annotators"] = record.get("annotators")
    for key, values in record.items():
        if key.endswith(".responses") and values:
            users, states = (
                record.get(f"{key}.{part}") or [None] * len(values) for part in ("users", "status")
            )
            made["responses"][key.removesuffix(".responses")] = [
                {"value": v, "user_id": u, "status": s} for v, u, s in zip(values, users, states)
            ]
    return made


def _question(name: str, title: str, settings: Json) -> Json:
    return {"name": name, "title": title, "description": None, "required": False, "settings": settings}


def _answers(opinion: Opinion, task: Task) -> list[tuple[str, Any]]:
    """(question, value) of everything that this person said and Argilla can hold."""
    name_of = {answer: place for place, answer in places(task).items()}
    found: list[tuple[str, Any]] = []
    for label in opinion.labels:
        if label.kind == "rank" and all(len(tier) == 1 for tier in label.value):
            found.append(("ranking", [name_of[tier[0]] for tier in label.value]))
        elif label.kind == "rank":
            found += [
                (f"place_{name_of[a].removeprefix('answer_')}", i)
                for i, tier in enumerate(label.value, start=1)
                for a in tier
            ]
        elif label.kind != "skip":
            value = (GOOD if label.value else BAD) if label.kind == "approve" else label.value
            found.append(
                (f"{CONTROLS[label.kind][0]}_{name_of[label.answer].removeprefix('answer_')}", value)
            )
    return found


def _labels(record: Json, task: Task, principle: str, left_out: Counter[str], where: str) -> Iterator[Label]:
    """The labels of one record; what is none is counted."""
    people = dict(line.split(" ", 1) for line in record["metadata"].get("annotators") or [])
    about: Json = {"task": task.id, "principle": principle, "note": NOTE}
    ids, ranked = places(task), dict[str, dict[str, int]]()
    for question, responses in record["responses"].items():
        for response in responses:
            user, value = str(response["user_id"]), response["value"]
            who = people.get(user, user)
            name, _, number = question.rpartition("_")
            status = response.get("status") or SUBMITTED
            if status != SUBMITTED:
                left_out[f"{status} responses"] += 1
            elif question == "ranking":
                ranked.setdefault(who, {}).update(_places(value))
            elif name == "place":
                ranked.setdefault(who, {})[f"answer_{number}"] = value
            elif name in KINDS and f"answer_{number}" in ids:
                kept = value == GOOD if name == "verdict" else value
                answer = ids[f"answer_{number}"]
                label = Label(annotator=who, kind=KINDS[name], value=kept, answer=answer, **about)
                yield check_label(label, task, where=where)
            else:
                left_out[f"responses to {question!r}"] += 1
    for who, place in ranked.items():
        label = Label(annotator=who, kind="rank", value=_tiers(place, ids, where), **about)
        yield check_label(label, task, where=where)


def _places(value: Sequence[Any]) -> dict[str, int]:
    """A ranking as {answer: place}: names best first, or (as the server has it) objects with a rank."""
    listed = [v if isinstance(v, Mapping) else {"value": v} for v in value]
    return {str(v["value"]): v.get("rank") or i for i, v in enumerate(listed, start=1)}


def _tiers(place: Mapping[str, int], ids: Mapping[str, str], where: str) -> list[list[str]]:
    unknown = [name for name in place if name not in ids]
    if unknown:
        raise UserError(f"ranks {unknown[0]!r}", where=where, expected="one of " + ", ".join(ids))
    return [[ids[n] for n in place if place[n] == rank] for rank in sorted(set(place.values()))]
