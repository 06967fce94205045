"""Tasks and labels in Label Studio's JSON, and the labelling configuration that goes with them.

Formats: labelstud.io/guide/task_format and /tags (List with Ranker and Buckets, Rating, Choices, TextArea), as of
label-studio-sdk 2.1. A ranking is kept in buckets, one a place, so that ties survive. Annotations name the
person by email, where the name is one (Label Studio refuses others), and in `created_username` always.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from xml.sax.saxutils import quoteattr

from truenorth.base import UserError
from truenorth.records.labels import (
    SCALE,
    Annotations,
    Kind,
    Label,
    Opinion,
    Task,
    check_label,
    places,
    sheets,
)
from truenorth.records.types import Prompt

Json = dict[str, Any]
GOOD, BAD = "good", "not good"
NOTE = "label-studio"
# kind -> (name of the control, its type)
CONTROLS: dict[Kind, tuple[str, str]] = {
    "rate": ("rating", "rating"),
    "approve": ("verdict", "choices"),
    "edit": ("edit", "textarea"),
    "flag": ("flag", "textarea"),
}
KINDS: dict[str, Kind] = {control: kind for kind, (control, _) in CONTROLS.items()}
_EMAIL = re.compile(r"[^\s,]+@[^\s,]+")
_NAME = re.compile(r"(rating|verdict|edit|flag)_(\d+)")


class Read(NamedTuple):
    """Labels from a file of somebody else's, and what in it was left out, by reason."""

    labels: list[Label]
    left_out: Counter[str]


def to_label_studio(found: Annotations) -> list[Json]:
    """Every task with its annotations, ready to be imported. Models' names are not in it."""
    made = []
    blank = {f"answer_{i}": "" for i in range(1, most_answers(found) + 1)}  # the configuration names them all
    for number, (task, principle, texts, said) in enumerate(sheets(found), start=1):
        listed = [{"id": p, "title": p.replace("_", " "), "body": text} for p, text in texts.items()]
        data = {
            "prompt": turns(task.prompt),
            "answers": listed,
            **blank,
            **texts,
            "task": task.id,
            "principle": principle,
        }
        annotations = [_annotation(o, task) for o in said]
        made.append({"id": number, "data": data, "annotations": annotations, "predictions": []})
    return made


def from_label_studio(
    exported: Sequence[Mapping[str, Any]], tasks: Mapping[str, Task], *, where: str
) -> Read:
    """The labels in an export (JSON, not JSON-MIN) of tasks that came from `to_label_studio`.

    Args:
        tasks: ours, by id.

    Raises:
        UserError: a task that is not ours, or a value that is not allowed, with its place in the file.
    """
    read = Read([], Counter())
    for number, item in enumerate(exported, start=1):
        at = f"{where}, task {number}"
        data = item.get("data")
        if not isinstance(data, Mapping) or data.get("task") not in tasks:
            raise UserError("not one of these tasks", where=at, fix="export the tasks from here first")
        task = tasks[data["task"]]
        for annotation in item.get("annotations") or []:
            about: Json = {"task": task.id, "principle": str(data.get("principle") or ""), "note": NOTE}
            about |= {"annotator": _who(annotation), "made": str(annotation.get("created_at") or "")}
            about |= {"seconds": annotation.get("lead_time")}
            if annotation.get("was_cancelled"):
                read.labels.append(check_label(Label(kind="skip", **about), task, where=at))
                continue
            for result in annotation.get("result") or []:
                label = _label(result, task, about, at)
                if label is None:
                    read.left_out[f"results of {result.get('from_name')!r}"] += 1
                else:
                    read.labels.append(check_label(label, task, where=at))
    return read


def label_config(found: Annotations) -> str:
    """The labelling configuration (XML) for a project of these tasks."""
    most = most_answers(found)
    buckets = "".join(f'\n    <Bucket name="place_{i}" title="place {i}"/>' for i in range(1, most + 1))
    parts = [
        '<View>\n  <Text name="prompt" value="$prompt"/>',
        '  <List name="answers" value="$answers" title="Answers"/>',
        f'  <Ranker name="rank" toName="answers">{buckets}\n  </Ranker>',
    ]
    for i in range(1, most + 1):
        choices = "".join(f"<Choice value={quoteattr(word)}/>" for word in (GOOD, BAD))
        parts += [
            f'  <Text name="answer_{i}" value="$answer_{i}"/>',
            f'  <Rating name="rating_{i}" toName="answer_{i}" maxRating="{SCALE}"/>',
            f'  <Choices name="verdict_{i}" toName="answer_{i}" showInline="true">{choices}</Choices>',
            f'  <TextArea name="edit_{i}" toName="answer_{i}" maxSubmissions="1" placeholder="a better answer"/>',
            f'  <TextArea name="flag_{i}" toName="answer_{i}" maxSubmissions="1" placeholder="flag: why?"/>',
        ]
    return "\n".join([*parts, "</View>"]) + "\n"


def most_answers(found: Annotations) -> int:
    return max((len(task.answers) for task in found.tasks.values()), default=1)


def turns(prompt: Prompt) -> str:
    """A prompt as one text: a chat of several turns names who speaks."""
    if isinstance(prompt, str):
        return prompt
    if len(prompt) == 1:
        return prompt[0]["content"]
    return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in prompt)


def _annotation(opinion: Opinion, task: Task) -> Json:
    name_of = {answer: place for place, answer in places(task).items()}
    results = [r for label in opinion.labels if (r := _result(label, name_of))]
    name = opinion.annotator
    known = [label.seconds for label in opinion.labels if label.seconds is not None]
    made = {
        "result": results,
        "was_cancelled": not results and any(label.kind == "skip" for label in opinion.labels),
        "ground_truth": False,
        "created_at": max(label.made for label in opinion.labels),
        "lead_time": max(known, default=None),
        "created_username": name,
    }
    return made | ({"completed_by": {"email": name}} if "@" in name else {})


def _result(label: Label, name_of: Mapping[str, str]) -> Json | None:
    if label.kind == "skip":
        return None
    if label.kind == "rank":
        buckets = {f"place_{i}": [name_of[a] for a in tier] for i, tier in enumerate(label.value, start=1)}
        return {
            "id": "rank",
            "from_name": "rank",
            "to_name": "answers",
            "type": "ranker",
            "value": {"ranker": buckets},
        }
    control, kind = CONTROLS[label.kind]
    place = name_of[label.answer]
    name = f"{control}_{place.removeprefix('answer_')}"
    said: Json = {"text": [label.value]}
    if label.kind == "rate":
        said = {"rating": label.value}
    elif label.kind == "approve":
        said = {"choices": [GOOD if label.value else BAD]}
    return {"id": name, "from_name": name, "to_name": place, "type": kind, "value": said}


def _label(result: Mapping[str, Any], task: Task, about: Json, where: str) -> Label | None:
    """The label in one result; None where it is not one of ours."""
    name, value, ids = str(result.get("from_name")), result.get("value") or {}, places(task)
    if name == "rank" and "ranker" in value:
        return Label(kind="rank", value=_tiers(value["ranker"], ids, where), **about)
    found = _NAME.fullmatch(name)
    answer = ids.get(f"answer_{found[2]}") if found else None
    if found is None or answer is None:
        return None
    about = about | {"answer": answer}
    if found[1] == "rating" and "rating" in value:
        return Label(kind="rate", value=value["rating"], **about)
    if found[1] == "verdict" and value.get("choices"):
        return Label(kind="approve", value=value["choices"][0] == GOOD, **about)
    if found[1] in ("edit", "flag") and value.get("text"):
        text = value["text"] if isinstance(value["text"], str) else value["text"][-1]
        return Label(kind=KINDS[found[1]], value=text, **about)
    return None


def _tiers(ranker: Mapping[str, Any], ids: Mapping[str, str], where: str) -> list[list[str]]:
    """Buckets place_1, place_2, ... as tiers; a plain Ranker's one list as tiers of one."""
    groups = {name: members for name, members in ranker.items() if name != "_" and members}
    if set(groups) == {"rank"}:
        listed = [[name] for name in groups["rank"]]
    else:
        listed = [groups[name] for name in sorted(groups, key=lambda n: int(n.rpartition("_")[2] or 0))]
    unknown = [name for tier in listed for name in tier if name not in ids]
    if unknown:
        raise UserError(f"ranks {unknown[0]!r}", where=where, expected="one of " + ", ".join(ids))
    return [[ids[name] for name in tier] for tier in listed]


def _who(annotation: Mapping[str, Any]) -> str:
    """The person: by email, else by the name that we gave, else by Label Studio's number."""
    by, said = annotation.get("completed_by"), str(annotation.get("created_username") or "")
    if isinstance(by, Mapping):
        return str(by.get("email") or by.get("username") or by.get("id"))
    if by is None and said:
        return said
    email = _EMAIL.search(said)
    return email[0] if email else f"label-studio user {by}"
