"""What annotators are shown and what is kept: blind, in orders of their own, resumable, checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from samples import ASK, EVIL, MODELS, SUM, a_desk, answers, request, serving, work

from truenorth.base import UserError, write_jsonl
from truenorth.engine import Run
from truenorth.records import Row, Source
from truenorth.records.label_people import people
from truenorth.records.label_store import LabelStore
from truenorth.serve.gathering import gather, gather_gold
from truenorth.serve.labelling import Criterion, Desk

NAMES = [f"person {i}" for i in range(60)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return a_desk(tmp_path / "labels.sqlite", clock=lambda: "2026-01-31T12:00:00+0000")


def say(
    desk: Desk, who: str, kind: str, value: Any = None, answer: int | None = None, prompt: str = ASK
) -> None:
    [task] = [t.id for t in desk.tasks.values() if t.prompt == prompt]
    desk.label({"annotator": who, "task": task, "kind": kind, "value": value, "answer": answer, "seconds": 2})


def test_every_place_is_equally_often_first(desk: Desk):
    """60 people, 3 places: each answer first about 20 times; 2 tasks: each first about 30 times."""
    task = work().tasks[0]
    firsts = [desk.order(name, task.id)[0] for name in NAMES]
    assert all(10 <= firsts.count(row.id) <= 32 for row in answers()[ASK])
    heads = [desk.queue(name, "rank", [])[0] for name in NAMES]
    assert all(17 <= heads.count(t.id) <= 43 for t in work().tasks)
    assert firsts == [desk.order(name, task.id)[0] for name in NAMES]  # the same whenever asked
    other = Desk(desk.store, work(), seed=1)
    assert firsts != [other.order(name, task.id)[0] for name in NAMES]


def test_what_the_page_gets_does_not_say_who_wrote_what(desk: Desk):
    say(desk, "bob", "rank", [[0], [1], [2]])
    say(desk, "ann", "flag", "odd", 1)
    seen = json.dumps([desk.view("ann", t) for t in desk.tasks] + [desk.state("ann", "rank")])
    assert not [model for model in MODELS if model in seen]
    assert not [row.id for rows in answers().values() for row in rows if row.id in seen]
    assert "bob" not in seen
    assert json.loads(seen)[0]["marks"][0]["kind"] == "flag"  # one's own labels, and nobody else's


def test_a_place_on_the_page_is_the_answer_that_stood_there(desk: Desk):
    for who in NAMES[:8]:
        order = desk.order(who, work().tasks[0].id)
        say(desk, who, "rank", [[2], [0, 1]])
        say(desk, who, "approve", True, 1)
        rank, approve = (x for x in desk.store.labels() if x.annotator == who)
        assert rank.value == [[order[2]], [order[0], order[1]]]
        assert approve.answer == order[1]
        assert (approve.made, approve.seconds) == ("2026-01-31T12:00:00+0000", 2.0)


def test_whoever_comes_back_goes_on_where_they_were(tmp_path: Path, desk: Desk):
    first = desk.next("ann", "rank")
    assert first is not None
    desk.label({"annotator": "ann", "task": first["task"], "kind": "rank", "value": [[0], [1]]})
    desk.store.close()
    again = a_desk(tmp_path / "labels.sqlite")
    assert again.state("ann", "rank")["done"] == 1
    following = again.next("ann", "rank")
    assert following is not None
    assert following["task"] != first["task"]
    assert again.state("bob", "rank")["done"] == 0


def test_undoing_brings_the_task_back_as_it_was(desk: Desk):
    say(desk, "ann", "rate", 2, 0)
    say(desk, "ann", "rate", 5, 0)
    say(desk, "bob", "rate", 1, 0)
    back = desk.undo("ann")
    assert back is not None
    assert (back["undone"], back["marks"]) == ("rate", [{"kind": "rate", "value": 2, "answer": 0}])
    assert desk.undo("ann") is not None
    assert desk.undo("ann") is None
    assert desk.state("bob", "rate")["mine"] == {"rate": 1}


def test_undoing_reaches_no_other_question_and_no_other_tasks(desk: Desk):
    say(desk, "ann", "rank", [[0], [1]], prompt=SUM)
    other = Desk(desk.store, work(), criterion=Criterion("kind"))
    fewer = Desk(desk.store, work()._replace(tasks=work().tasks[:1]))
    assert other.undo("ann") is None
    assert fewer.undo("ann") is None
    assert len(desk.store.labels()) == 1
    assert desk.undo("ann") is not None


def test_rating_is_done_when_every_answer_is_rated_and_skipping_is_done_at_once(desk: Desk):
    for place in range(3):
        assert desk.state("ann", "rate")["done"] == 0
        say(desk, "ann", "rate", 3, place)
    assert desk.state("ann", "rate") == desk.state("ann", "rate") | {"done": 1, "total": 2}
    assert desk.state("ann", "rank")["done"] == 0  # ranking is another question
    say(desk, "ann", "skip", prompt=SUM)
    assert desk.next("ann", "rate") is None


def test_a_task_that_has_its_votes_leaves_the_others_queues(tmp_path: Path):
    desk = a_desk(tmp_path / "labels.sqlite", votes=1)
    say(desk, "ann", "rank", [[0], [1]], prompt=SUM)
    assert desk.state("ann", "rank") == desk.state("ann", "rank") | {"done": 1, "total": 2}
    assert desk.state("bob", "rank") == desk.state("bob", "rank") | {"done": 0, "total": 1}


def test_labels_name_the_principle_and_another_principle_starts_anew(tmp_path: Path, desk: Desk):
    say(desk, "ann", "approve", True, 0)
    kind = Criterion("kind", "Kind", "Be kind.", "shop@1#abc")
    again = Desk(desk.store, work(), criterion=kind)
    assert again.state("ann", "approve")["mine"] == {}
    say(again, "ann", "approve", False, 0)
    assert [(x.principle, x.constitution, x.value) for x in desk.store.labels()] == [
        ("", "", True),
        ("kind", "shop@1#abc", False),
    ]


def test_agreement_is_told_with_its_interval(desk: Desk):
    for who in ("ann", "bob"):
        order = desk.order(who, work().tasks[1].id)
        best = order.index(answers()[SUM][0].id)
        say(desk, who, "rank", [[best], [1 - best]], prompt=SUM)
    told = desk.state("ann", "rank")["agreement"]
    assert (told["items"], told["people"], told["same"]["mean"]) == (1, 2, 1.0)
    assert told["alpha"]["mean"] is None  # nothing ever differed: there is no chance to correct for
    json.dumps(told, allow_nan=False)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"annotator": ""}, "1 to 60 printable"),
        ({"annotator": 7}, "1 to 60 printable"),
        ({"task": "elsewhere"}, "no task 'elsewhere'"),
        ({"kind": "praise"}, "kind 'praise'"),
        ({"kind": ["rank"]}, "kind"),
        ({"kind": "rank", "value": [[0], [9]]}, "answer 9; expected 0 to 2"),
        ({"kind": "rank", "value": "12"}, "lists of places"),
        ({"kind": "rank", "value": [[0], [True]]}, "answer True"),
        ({"kind": "rate", "value": 6}, "a whole number from 1 to 5"),
        ({"kind": "rate", "answer": -1}, "answer -1"),
        ({"kind": "rate", "answer": "0"}, "answer '0'"),
        ({"kind": "edit", "value": " "}, "a better answer"),
        ({"ask": "sing"}, "ask 'sing'"),
    ],
)
def test_a_request_that_makes_no_sense_is_answered_with_one_line_and_stores_nothing(
    desk: Desk, change: dict[str, Any], says: str
):
    body = {
        "annotator": "ann",
        "ask": "rate",
        "task": work().tasks[0].id,
        "kind": "rate",
        "value": 3,
        "answer": 0,
    }
    with serving(desk) as port:
        reply = request(port, "/api/label", body | change)
        assert reply.status == 400
        assert says in reply.json["error"]
        for junk in (b"", b"{", b"[1]", b"\xff", b'"x"'):
            assert request(port, "/api/label", junk).status == 400
        assert request(port, "/api/task?ask=rank").status == 400
        assert request(port, "/api/label", {"value": "x" * 2**21}).status == 413
        assert request(port, "/api/nothing").status == 404
    assert desk.store.labels() == []


def test_a_run_gives_the_answers_of_its_answers_step(tmp_path: Path):
    with Run.open(tmp_path / "run", config={}) as run:
        rows = [row for members in answers().values() for row in members]
        run.step("answers", 1, lambda: rows)
        run.step("verdicts", 1, lambda: [Row(r.data | {"score": 1.0}, Source("judge")) for r in rows])
        run.step("data", 1, lambda: [Row({"prompt": "p", "chosen": "a", "rejected": "b"}, Source("choose"))])
    found = gather(tmp_path / "run")
    assert {t.prompt: len(t.answers) for t in found.tasks} == {ASK: 3, SUM: 2}
    assert found.answers == work().answers  # with their ids, so that labels lead back to the run's rows
    assert found == gather(tmp_path / "run")
    assert len(gather(tmp_path / "run", limit=1).tasks) == 1
    with pytest.raises(UserError, match="no step 'answer'; expected one of answers, verdicts, data"):
        gather(tmp_path / "run", steps=["answer"])
    with pytest.raises(UserError, match="no answers; steps with rows: answers, verdicts, data"):
        gather(tmp_path / "run", steps=["data"])


def measured(prompt: str, text: str, model: str, principle: str) -> Row:
    source = Source("measure", model=model, principle=principle)
    return Row({"prompt": [{"role": "user", "content": prompt}], "completion": text, "score": 0.0}, source)


def test_two_models_answers_stand_side_by_side_one_of_each(tmp_path: Path):
    with Run.open(tmp_path / "run", config={}) as run:
        for who in ("base", "aligned"):
            made = [measured("Why?", f"{who} {i}", who, "kind") for i in range(5)]
            made += [measured("How?", "same", who, "honest")]
            run.step(f"conduct-{who}", who, lambda made=made: made)
    found = gather(tmp_path / "run", answers=2)
    models = {str(t.prompt): sorted(found.answers[a].source.model for a in t.answers) for t in found.tasks}
    assert list(map(len, models.values())) == [
        2,
        1,
    ]  # equal texts stand once; what can be compared comes first
    assert next(iter(models.values())) == ["aligned", "base"]
    only = gather(tmp_path / "run", principle="honest")
    assert [t.prompt for t in only.tasks] == [[{"role": "user", "content": "How?"}]]
    with pytest.raises(UserError, match="no answers about 'brave'"):
        gather(tmp_path / "run", principle="brave")


@pytest.mark.parametrize(
    "rows",
    [
        [{"prompt": "p", "completion": "a", "model": "m"}, {"prompt": "p", "completion": "b", "model": "n"}],
        [{"prompt": "p", "completions": ["a", "b"], "models": ["m", "n"]}],
        [{"prompt": "p", "chosen": "a", "rejected": "b", "chosen_model": "m", "rejected_model": "n"}],
        [
            {"prompt": "p", "completion": [{"role": "assistant", "content": c}], "model": m}
            for c, m in ("am", "bn")
        ],
    ],
)
def test_tables_of_several_shapes_give_the_same_tasks(tmp_path: Path, rows: list[dict[str, Any]]):
    found = gather(write_jsonl(tmp_path / "answers.jsonl", rows))
    [task] = found.tasks
    assert task.prompt == "p"
    said = {found.answers[a].data["completion"]: found.answers[a].source.model for a in task.answers}
    assert said == {"a": "m", "b": "n"}


def test_a_table_without_answers_is_refused(tmp_path: Path):
    path = write_jsonl(tmp_path / "answers.jsonl", [{"prompt": "p", "answer": "a"}])
    with pytest.raises(UserError, match="row 1: no answer in this row; expected prompt and completion"):
        gather(path)
    with pytest.raises(UserError, match=r"none\.jsonl: no such file"):
        gather(tmp_path / "none.jsonl")
    with pytest.raises(UserError, match="not a run"):
        gather(tmp_path)


def test_text_that_would_turn_the_page_around_is_shown_as_marks_and_edited_as_it_is(tmp_path: Path):
    text = "left \u202e right \x07"
    path = write_jsonl(
        tmp_path / "answers.jsonl", [{"prompt": "p", "completion": text}, {"prompt": "p", "completion": EVIL}]
    )
    desk = Desk(LabelStore(tmp_path / "l.sqlite"), gather(path))
    view = desk.view("ann", next(iter(desk.tasks)))
    [odd] = [a for a in view["answers"] if "raw" in a]
    assert odd == {"text": "left \ufffd right \ufffd", "raw": text}


def test_gold_tasks_look_like_any_other_and_tell_of_people_only(tmp_path: Path):
    rows = [
        {"prompt": "Gold?", "chosen": "Right.", "rejected": "Wrong."},
        {"prompt": "Silver?", "completion": "Mine.", "label": True},
    ]
    gold = gather_gold(write_jsonl(tmp_path / "gold.jsonl", rows))
    desk = Desk(LabelStore(tmp_path / "l.sqlite"), work().with_gold(gold))
    assert {desk.tasks[t].prompt for t in desk.queue("ann", "rank", [])} == {ASK, SUM, "Gold?"}
    assert {desk.tasks[t].prompt for t in desk.queue("ann", "approve", [])} == {ASK, SUM, "Silver?"}
    task = next(t for t in gold.tasks if t.prompt == "Gold?")
    assert set(desk.view("ann", task.id)) == set(desk.view("ann", work().tasks[0].id))
    for who, right in (("ann", True), ("bob", False)):
        texts = [desk.answers[a].data["completion"] for a in desk.order(who, task.id)]
        best = texts.index("Right." if right else "Wrong.")
        say(desk, who, "rank", [[best], [1 - best]], prompt="Gold?")
        say(desk, who, "rank", [[0], [1]], prompt=SUM)
    assert {p.name: p.right.mean for p in people(desk.store.labels(), desk.store.gold())} == {
        "ann": 1,
        "bob": 0,
    }
    assert desk.state("ann", "rank")["agreement"]["items"] == 1  # gold is no measure of agreement
    found = desk.store.annotations()
    assert {found.tasks[x.task].prompt for x in found.labels} == {SUM}  # and no label to train on
    assert set(found.tasks) == {t.id for t in work().tasks}


def test_a_row_from_which_nothing_is_known_is_no_gold(tmp_path: Path):
    path = write_jsonl(tmp_path / "gold.jsonl", [{"prompt": "p", "completion": "a"}])
    with pytest.raises(UserError, match="row 1: nothing is known from this row"):
        gather_gold(path)


def practised(tmp_path: Path, n: int = 5) -> Desk:
    rows = [{"prompt": f"{i}?", "chosen": f"Right {i}.", "rejected": f"Wrong {i}."} for i in range(6)]
    gold = gather_gold(write_jsonl(tmp_path / "gold.jsonl", rows))
    return Desk(LabelStore(tmp_path / "l.sqlite"), work().with_gold(gold), practice=n)


def practise(desk: Desk, who: str, rights: list[bool]) -> list[dict[str, Any]]:
    """The lessons after so many tasks, each ranked as said."""
    lessons = []
    for right in rights:
        task = desk.next(who, "rank")
        assert task is not None
        best = [a["text"].startswith("Right") for a in task["answers"]].index(right)
        body = {"annotator": who, "task": task["task"], "kind": "rank", "value": [[best], [1 - best]]}
        lesson = desk.practice["rank"].lesson(desk.label(body), desk.answers)
        assert lesson is not None
        lessons.append(lesson)
    return lessons


def test_practice_comes_first_tells_what_is_known_and_lets_those_through_who_pass(tmp_path: Path):
    """Of 5, 80 % is 4."""
    desk = practised(tmp_path)
    lessons = practise(desk, "ann", [True, False, True, True, True])
    assert [lesson["right"] for lesson in lessons] == [True, False, True, True, True]
    number = lessons[1]["says"][7]
    assert lessons[1]["says"] == f"“Right {number}.” is better than “Wrong {number}.”"
    standing = desk.state("ann", "rank")["practice"]
    assert standing == {"of": 5, "done": 5, "right": 4, "needed": 4, "failed": False}
    assert desk.queue("ann", "rank", [])[:5] == desk.queue("bob", "rank", [])[:5]
    assert len(desk.queue("ann", "rank", [])) == 8  # and the sixth gold task, and the two to be labelled
    assert desk.next("ann", "rank") is not None
    assert desk.undo("ann") is None  # what has been told cannot be answered again


def test_practice_can_be_neither_skipped_nor_answered_again(tmp_path: Path):
    desk = practised(tmp_path)
    task = desk.next("ann", "rank")
    assert task is not None
    body = {"annotator": "ann", "task": task["task"]}
    with pytest.raises(UserError, match="practice cannot be skipped"):
        desk.label(body | {"kind": "skip"})
    desk.label(body | {"kind": "rank", "value": [[0], [1]]})
    with pytest.raises(UserError, match="this practice has been answered"):
        desk.label(body | {"kind": "rank", "value": [[1], [0]]})
    desk.label(body | {"kind": "flag", "value": "odd", "answer": 0})


def test_whoever_can_no_longer_pass_is_shown_nothing_further(tmp_path: Path):
    desk = practised(tmp_path)
    practise(desk, "bob", [False, False])
    assert desk.state("bob", "rank")["practice"]["failed"]
    assert desk.next("bob", "rank") is None
    assert desk.next("ann", "rank") is not None
    assert desk.next("bob", "approve") is not None  # another question has no practice


def test_practice_needs_as_many_gold_tasks(tmp_path: Path):
    with pytest.raises(UserError, match="--practice: 9; expected at most 6, the gold tasks to rank"):
        practised(tmp_path, 9)
