"""Labels to Label Studio and Argilla and back; the shapes are those of their own documentation and code."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from truenorth.base import UserError
from truenorth.records import Row, Source
from truenorth.records.argilla import argilla_settings, from_argilla, to_argilla
from truenorth.records.label_store import LabelStore
from truenorth.records.label_studio import from_label_studio, label_config, to_label_studio
from truenorth.records.labels import Annotations, Label, Task

PROMPT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Which?"}]
ROWS = {
    f"row{i}": Row(
        {"prompt": PROMPT, "completion": f"Text {i}."}, Source("s", model=f"secret-{i}"), id=f"row{i}"
    )
    for i in (1, 2, 3)
}
TASK = Task.of(PROMPT, ROWS)  # answer_1 is row1, and so on: ids are in order
OTHER = Task.of("Alone?", ["row1"])
TASKS = {task.id: task for task in (TASK, OTHER)}


def said(who: str, kind: str, value: Any = None, answer: str = "", principle: str = "kind") -> Label:
    return Label(who, TASK.id, kind, value, answer, principle, made="2026-01-31T12:00:00+0000", seconds=4.2)  # type: ignore[arg-type]


ALL = [
    said("ann", "rank", [["row2"], ["row3"], ["row1"]]),
    said("ann", "rate", 4, "row1"),
    said("ann", "approve", False, "row2"),
    said("ann", "edit", "Über <b>better</b> & longer.", "row2"),
    said("ann", "flag", "rude", "row3"),
    said("bob@shop.example", "rank", [["row3"], ["row1", "row2"]]),
    said("bob@shop.example", "approve", True, "row1"),
    said("cid", "skip"),
]


@pytest.fixture
def found(tmp_path: Path) -> Annotations:
    with LabelStore(tmp_path / "labels.sqlite") as store:
        store.add_tasks(TASKS.values(), ROWS)
        store.add(*ALL)
        return store.annotations()


def plain(labels: Any) -> set[tuple[Any, ...]]:
    """What a label says, without its time and number."""
    return {(x.annotator, x.task, x.kind, json.dumps(x.value), x.answer, x.principle) for x in labels}


def through_a_file(value: Any) -> Any:
    return json.loads(json.dumps(value))


def test_label_studio_gives_back_every_label(found: Annotations):
    read = from_label_studio(through_a_file(to_label_studio(found)), TASKS, where="tasks.json")
    assert plain(read.labels) == plain(ALL)
    assert not read.left_out


def test_argilla_gives_back_every_label_but_skips(found: Annotations):
    read = from_argilla(through_a_file(to_argilla(found)), TASKS, where="records.json")
    assert plain(read.labels) == plain(x for x in ALL if x.kind != "skip")
    assert not read.left_out


def test_nothing_that_goes_out_says_which_model_wrote_what(found: Annotations):
    out = json.dumps([to_label_studio(found), to_argilla(found), argilla_settings(found)]) + label_config(
        found
    )
    assert "secret" not in out


def test_a_label_studio_task_has_the_documented_shape(found: Annotations):
    """labelstud.io/guide/task_format; tags/ranker with buckets: {"ranker": {BUCKET: [ids]}}."""
    task = next(t for t in to_label_studio(found) if t["data"]["task"] == TASK.id)
    assert task["data"]["prompt"] == "system: Be brief.\n\nuser: Which?"
    assert task["data"]["answers"][0] == {"id": "answer_1", "title": "answer 1", "body": "Text 1."}
    by = {annotation["created_username"]: annotation for annotation in task["annotations"]}
    assert by["bob@shop.example"]["completed_by"] == {"email": "bob@shop.example"}
    assert "completed_by" not in by["ann"]  # Label Studio refuses an email that it does not know
    assert by["bob@shop.example"]["result"][0] == {
        "id": "rank",
        "from_name": "rank",
        "to_name": "answers",
        "type": "ranker",
        "value": {"ranker": {"place_1": ["answer_3"], "place_2": ["answer_1", "answer_2"]}},
    }
    assert by["ann"]["result"][1] == {
        "id": "rating_1",
        "from_name": "rating_1",
        "to_name": "answer_1",
        "type": "rating",
        "value": {"rating": 4},
    }
    assert (by["cid"]["was_cancelled"], by["cid"]["result"]) == (True, [])


def test_the_configuration_names_every_control_that_a_result_uses(found: Annotations):
    view = ET.fromstring(label_config(found))
    tags = {tag.get("name"): tag.get("toName") for tag in view.iter() if tag.get("name")}
    used = {
        (r["from_name"], r["to_name"])
        for t in to_label_studio(found)
        for a in t["annotations"]
        for r in a["result"]
    }
    assert {(name, tags[name]) for name, _ in used} == used
    values = {
        tag.get("value", "").lstrip("$") for tag in view.iter() if (tag.get("value") or "").startswith("$")
    }
    assert all(values <= set(task["data"]) for task in to_label_studio(found))


def test_label_studios_own_export_is_read():
    """A plain Ranker, people by number, a text area as one text, and a control that is not ours."""
    exported = [
        {
            "id": 7,
            "project": 83,
            "data": {"task": TASK.id, "prompt": "Which?"},
            "annotations": [
                {
                    "completed_by": 10,
                    "created_at": "2026-03-09T22:16:08.728353Z",
                    "lead_time": 4.288,
                    "was_cancelled": False,
                    "result": [
                        {
                            "from_name": "rank",
                            "type": "ranker",
                            "value": {"ranker": {"rank": ["answer_2", "answer_1"]}},
                        },
                        {"from_name": "edit_1", "type": "textarea", "value": {"text": "Mended."}},
                        {"from_name": "mood", "type": "choices", "value": {"choices": ["fine"]}},
                    ],
                },
                {
                    "completed_by": 11,
                    "created_username": " dee@shop.example, 11",
                    "was_cancelled": True,
                    "result": [],
                },
            ],
        }
    ]
    read = from_label_studio(exported, TASKS, where="export.json")
    assert [(x.annotator, x.kind, x.value) for x in read.labels] == [
        ("label-studio user 10", "rank", [["row2"], ["row1"]]),
        ("label-studio user 10", "edit", "Mended."),
        ("dee@shop.example", "skip", None),
    ]
    assert read.labels[0].made == "2026-03-09T22:16:08.728353Z"
    assert dict(read.left_out) == {"results of 'mood'": 1}


def test_argillas_flat_form_and_its_servers_rankings_are_read():
    """`to_datasets` (argilla 2.8): QUESTION.responses, .users and .status; the server's rankings have ranks."""
    user = "0b8a7fc4-0000-4000-8000-000000000001"
    flat = {
        "id": TASK.id,
        "prompt": "Which?",
        "answer_1": "Text 1.",
        "task": TASK.id,
        "ranking.responses": [
            [
                {"value": "answer_2", "rank": 1},
                {"value": "answer_1", "rank": 1},
                {"value": "answer_3", "rank": 2},
            ]
        ],
        "ranking.responses.users": [user],
        "ranking.responses.status": ["submitted"],
        "verdict_1.responses": ["good", "good"],
        "verdict_1.responses.users": [user, user],
        "verdict_1.responses.status": ["draft", "discarded"],
        "rating_2.responses": None,
        "mood.responses": ["fine"],
        "mood.responses.users": [user],
        "mood.responses.status": ["submitted"],
    }
    read = from_argilla([flat], TASKS, where="records.jsonl")
    assert [(x.annotator, x.kind, x.value) for x in read.labels] == [
        (user, "rank", [["row2", "row1"], ["row3"]])
    ]
    assert dict(read.left_out) == {"draft responses": 1, "discarded responses": 1, "responses to 'mood'": 1}


def test_an_argilla_record_has_the_documented_shape(found: Annotations):
    """`Record.to_dict` of argilla 2.8, and `Response(question_name, value, user_id, status)`."""
    record = next(r for r in to_argilla(found) if r["metadata"]["task"] == TASK.id)
    assert set(record) == {"id", "fields", "metadata", "suggestions", "responses", "vectors", "_server_id"}
    [response] = record["responses"]["ranking"]  # bob's has a tie, which Argilla's rankings cannot say
    assert response["value"] == ["answer_2", "answer_3", "answer_1"]
    assert set(response) == {"value", "user_id", "status"}
    questions = {q["name"]: q["settings"]["type"] for q in argilla_settings(found)["questions"]}
    assert set(record["responses"]) <= set(questions)
    assert (questions["ranking"], questions["place_1"], questions["verdict_3"]) == (
        "ranking",
        "rating",
        "label_selection",
    )


@pytest.mark.parametrize(
    ("read", "item", "says"),
    [
        (from_label_studio, {"data": {"task": "elsewhere"}}, "f.json, task 1: not one of these tasks"),
        (from_label_studio, {"text": "x"}, "f.json, task 1: not one of these tasks"),
        (
            from_label_studio,
            {
                "data": {"task": TASK.id},
                "annotations": [
                    {"completed_by": 1, "result": [{"from_name": "rating_1", "value": {"rating": 9}}]}
                ],
            },
            "f.json, task 1: rate 9",
        ),
        (
            from_label_studio,
            {
                "data": {"task": TASK.id},
                "annotations": [
                    {
                        "completed_by": 1,
                        "result": [{"from_name": "rank", "value": {"ranker": {"rank": ["blog"]}}}],
                    }
                ],
            },
            "task 1: ranks 'blog'",
        ),
        (from_argilla, {"id": "elsewhere", "responses": {}}, "f.json, record 1: not one of these tasks"),
        (
            from_argilla,
            {"id": TASK.id, "responses": {"rating_1": [{"value": 7, "user_id": "u"}]}},
            "f.json, record 1: rate 7",
        ),
    ],
)
def test_what_cannot_be_a_label_of_ours_is_refused_with_its_place(read: Any, item: dict[str, Any], says: str):
    with pytest.raises(UserError, match=says):
        read([item], TASKS, where="f.json")
