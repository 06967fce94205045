"""People as a judge: questions wait in a file, the real page serves them over HTTP, and what was said comes back."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest
from samples import request, serving

from truenorth.base import UserError, write_jsonl
from truenorth.cli.annotate import add_arguments, store_path
from truenorth.cli.main import main
from truenorth.constitution import Constitution
from truenorth.judges import PanelJudge, PeopleJudge, compile
from truenorth.judges.cached import CachedJudge
from truenorth.judges.spec import VerifiableCheck, bind, open_judge
from truenorth.records import Group
from truenorth.records.label_store import LabelStore
from truenorth.records.labels import Gold, Label
from truenorth.serve.gathering import gather_queue
from truenorth.serve.labelling import Desk

ASKED = [
    Group("Where?", ["At the pier.", "Find it yourself."]),
    Group([{"role": "user", "content": "When?"}], ["At noon."]),
]
KIND = {"At the pier.": True, "Find it yourself.": False, "At noon.": True}


def desk(judge: PeopleJudge) -> Desk:
    """The page's desk, as `truenorth annotate FILE` opens it."""
    store = LabelStore(judge.store, create=False)
    return Desk(store, gather_queue(store), ask=judge.ask, votes=judge.votes, grows=True)


def label(port: int, name: str, ask: str, verdicts: Mapping[str, object], *, most: int = 9) -> int:
    """Say of each answer that the page shows what `verdicts` says (True, 1 to 5), until the queue is at its end."""
    done = 0
    while done < most:
        task = request(port, f"/api/task?annotator={name}&ask={ask}").json["task"]
        if task is None:
            return done
        for place, answer in enumerate(task["answers"]):
            said = {"annotator": name, "ask": ask, "task": task["task"], "kind": ask}
            reply = request(port, "/api/label", said | {"value": verdicts[answer["text"]], "answer": place})
            assert reply.status == 200, reply.text
        done += 1
    return done


def test_what_nobody_has_said_yet_is_no_answer_and_comes_back_once_somebody_has(tmp_path: Path):
    judge = PeopleJudge(tmp_path / "queue.sqlite")
    found = judge.judge(ASKED)
    assert [[j.score for j in row] for row in found] == [[None, None], [None]]
    assert dict(judge.counts) == {"waiting": 3}
    assert judge.waiting == f"3 of 3 answers wait for people; open the page: {judge.page}"
    opened = desk(judge)
    with serving(opened) as port:
        assert label(port, "ann", "approve", KIND, most=1) == 1
        half = judge.judge(ASKED)  # while the page is open, from another connection
        assert judge.counts["waiting"] in (1, 2)
        assert label(port, "ann", "approve", KIND) == 1
    again = PeopleJudge(tmp_path / "queue.sqlite")  # another program, later
    assert [[j.score for j in row] for row in again.judge(ASKED)] == [[1.0, 0.0], [1.0]]
    assert dict(again.counts) == {"verdicts": 3}
    assert again.waiting == ""
    assert sum(j.score is None for row in half for j in row) in (1, 2)
    with LabelStore(judge.store) as store:
        assert store.size() == 2  # asking again asked for nothing twice


def test_the_command_that_it_names_opens_this_queue(tmp_path: Path):
    judge = PeopleJudge(
        tmp_path / "my queue.sqlite", ask="rate", votes=2, principle="kind", constitution="policy.yaml"
    )
    judge.judge(ASKED)
    program, command, *words = shlex.split(judge.page)
    assert (program, command) == ("truenorth", "annotate")
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args(words)
    assert (args.ask, args.votes, args.principle, args.constitution) == ("rate", 2, "kind", "policy.yaml")
    assert store_path(args.source) == args.source == judge.store


def test_a_page_that_is_open_shows_what_is_asked_later(tmp_path: Path):
    judge = PeopleJudge(tmp_path / "queue.sqlite")
    judge.judge(ASKED[:1])
    with serving(desk(judge)) as port:
        assert label(port, "ann", "approve", KIND) == 1
        judge.judge(ASKED)
        assert request(port, "/api/task?annotator=ann&ask=approve").json["state"]["total"] == 2
        assert label(port, "ann", "approve", KIND) == 1
    assert judge.judge(ASKED)[1][0].score == 1.0


def test_several_people_are_put_together_and_careless_ones_count_for_less(tmp_path: Path):
    """Two people know; a third says good to all. By majority alone each would be 1 or 1/3; by skill nearly 1 or 0."""
    judge = PeopleJudge(tmp_path / "queue.sqlite", votes=3)
    asked = [Group(f"Question {i}?", [f"kind {i}", f"rude {i}"]) for i in range(10)]
    judge.judge(asked)
    careful = {text: text.startswith("kind") for g in asked for text in g.completions}
    with serving(desk(judge)) as port:
        label(port, "ann", "approve", careful, most=10)
        label(port, "bob", "approve", careful, most=10)
        assert judge.judge(asked)[0][0].score is None  # two of the three that were asked for
        assert judge.counts["waiting"] == 20
        label(port, "cid", "approve", dict.fromkeys(careful, True), most=10)
    found = judge.judge(asked)
    assert all(good.score > 0.98 and bad.score < 0.02 for good, bad in found)
    assert found[0][1].reason == "approve by 3 people, dawid-skene"
    assert found[0][1].raw == "ann 0, bob 0, cid 1"
    told = judge.agreement()["approve"]
    assert (told.people, told.items) == (3, 20)
    assert told.same.mean == pytest.approx(
        (10 + 10 / 3) / 20
    )  # all alike on the kind, one pair of three on the rude


def test_known_answers_tell_who_is_to_be_trusted_where_two_disagree(tmp_path: Path):
    """ann is right on 10 tasks with known answers and bob wrong on all: where they disagree, ann is believed."""
    judge = PeopleJudge(tmp_path / "queue.sqlite", votes=2)
    known = [Group(f"Known {i}?", [f"known {i}"]) for i in range(10)]
    judge.judge([*known, *ASKED])
    with LabelStore(judge.store) as store:
        of = {row.data["completion"]: row.id for row in store.answers().values()}
        task = {answer: t.id for t in store.tasks().values() for answer in t.answers}
        store.add_gold(
            Gold(task[of[f"known {i}"]], "approve", i % 2 == 0, of[f"known {i}"]) for i in range(10)
        )
        truth = KIND | {f"known {i}": i % 2 == 0 for i in range(10)}
        for text, good in truth.items():
            store.add(Label("ann", task[of[text]], "approve", good, of[text]))
            store.add(Label("bob", task[of[text]], "approve", not good, of[text]))
    scores = [[j.score for j in row] for row in judge.judge(ASKED)]
    assert scores == [[pytest.approx(1, abs=0.05), pytest.approx(0, abs=0.05)], [pytest.approx(1, abs=0.05)]]


def test_ratings_rankings_and_mended_answers_are_verdicts_too(tmp_path: Path):
    """Rated 4 and 2 of 5: (3/4 + 1/4) / 2. Ranked first of two: 1 and 0. Mended: below what was written instead."""
    rated = PeopleJudge(tmp_path / "rated.sqlite", ask="rate", votes=2)
    rated.judge(ASKED[1:])
    with serving(desk(rated)) as port:
        label(port, "ann", "rate", {"At noon.": 4})
        label(port, "bob", "rate", {"At noon.": 2})
    assert rated.judge(ASKED[1:])[0][0].score == 0.5
    ranked = PeopleJudge(tmp_path / "ranked.sqlite", ask="rank")
    assert ranked.judge(ASKED)[1][0].reason == "nothing to rank it among"
    assert dict(ranked.counts) == {"waiting": 2, "left out": 1}
    with serving(desk(ranked)) as port:
        task = request(port, "/api/task?annotator=ann&ask=rank").json["task"]
        texts = [answer["text"] for answer in task["answers"]]
        order = [[texts.index("At the pier.")], [texts.index("Find it yourself.")]]
        said = {"annotator": "ann", "ask": "rank", "task": task["task"]}
        assert request(port, "/api/label", said | {"kind": "rank", "value": order}).status == 200
        mend = said | {"kind": "edit", "value": "At the north pier.", "answer": order[0][0]}
        assert request(port, "/api/label", mend).status == 200
    [[first, second, mended]] = ranked.judge([Group("Where?", [*ASKED[0].completions, "At the north pier."])])
    assert (first.score, second.score, mended.score) == (0.5, 0.0, 1.0)


def test_labels_under_another_principle_do_not_count_and_skipping_is_no_answer(tmp_path: Path):
    judge = PeopleJudge(tmp_path / "queue.sqlite", principle="kind", constitution="policy.yaml")
    judge.judge(ASKED[1:])
    with LabelStore(judge.store) as store:
        [task] = store.tasks().values()
        store.add(Label("ann", task.id, "approve", True, task.answers[0], principle="brief"))
    assert judge.judge(ASKED[1:])[0][0].score is None
    assert judge.counts["waiting"] == 1
    with LabelStore(judge.store) as store:
        store.add(Label("ann", task.id, "skip", principle="kind"))
    [[found]] = judge.judge(ASKED[1:])
    assert (found.score, found.reason) == (None, "skipped by ann")
    assert dict(judge.counts) == {"skipped": 1}


def test_people_stand_in_a_panel_a_constitution_and_a_cache_as_any_judge_does(tmp_path: Path):
    store = tmp_path / "queue.sqlite"
    people = open_judge(f"people:{store}")
    short = VerifiableCheck(bind("max_words", {"limit": 2}, folder=tmp_path, where="here"), "short")
    assert isinstance(people, PeopleJudge)
    panel = PanelJudge((people, short))
    principle = {"id": "kind", "statement": "Be kind.", "kind": "value"}
    policy = Constitution.model_validate({"name": "shop", "version": "1", "principles": [principle]})
    ruled = compile(policy, judges={"kind": people})
    with CachedJudge(people, tmp_path / "verdicts") as before:
        assert before.judge(ASKED)[0][0].score is None
    assert [j.score for j in panel.judge(ASKED)[0]] == [
        0.0,
        0.0,
    ]  # three words each; people have said nothing
    with serving(desk(people)) as port:
        label(port, "ann", "approve", KIND)
    assert [j.score for j in panel.judge(ASKED)[0]] == [0.5, 0.0]
    assert [(j.score, j.principle) for j in ruled.judge(ASKED)[0]] == [(1.0, "kind"), (0.0, "kind")]
    with CachedJudge(people, tmp_path / "verdicts") as after:
        assert after.identity != before.identity
        assert after.judge(ASKED)[0][0].score == 1.0


def test_a_card_asks_people_about_the_labelled_answers_and_nothing_else(tmp_path: Path, capsys):
    labels = [
        {"prompt": f"Q{i}?", "completion": f"{w} {i}", "label": w == "kind"}
        for i in range(12)
        for w in ("kind", "rude")
    ]
    file = write_jsonl(tmp_path / "labels.jsonl", labels)
    queue = tmp_path / "queue.sqlite"
    command = ["judge", "card", f"people:{queue}", "--labels", str(file)]
    assert main(command) == 1
    said = capsys.readouterr().out
    assert f"24 of 24 answers wait for people; open the page: truenorth annotate {queue}" in said
    assert "REFUSED       it gave no verdict on any label" in said
    judge = PeopleJudge(queue)
    with serving(desk(judge)) as port:
        assert label(port, "ann", "approve", {r["completion"]: r["label"] for r in labels}, most=30) == 12
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "accuracy      1.000 [" in said
    assert "wait for people" not in said
    with LabelStore(queue) as store:
        assert {row.data["completion"] for row in store.answers().values()} == {
            r["completion"] for r in labels
        }


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("people:", "people:FILE"),
        ("people:q.sqlite?asks=rate", "people:FILE\\?SETTING=VALUE"),
        ("people:q.sqlite?ask=vote", "one of approve, rate, rank"),
        ("people:q.sqlite?votes=none", "1 or more"),
        ("people:q.sqlite?principle=kind", "name the constitution"),
    ],
)
def test_what_names_no_queue_is_refused_in_one_line(tmp_path: Path, spec: str, says: str):
    with pytest.raises(UserError, match=says):
        open_judge(spec, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
