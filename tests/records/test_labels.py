"""Labels of people: what holds, what is refused, the rows they become, and how far people agree."""

from __future__ import annotations

import doctest
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from truenorth.base import UserError
from truenorth.judges.audit import read_labelled
from truenorth.judges.reward import read_labels
from truenorth.records import Row, Source, label_rows, labels
from truenorth.records.label_agreement import agreement
from truenorth.records.label_rows import FORMS, all_rows
from truenorth.records.label_store import LabelStore
from truenorth.records.labels import Label, Task, check_label
from truenorth.records.tables import write_table
from truenorth.stats import bradley_terry, ranked_pairs

TEXTS = {"s": "Short.", "l": "A longer answer.", "x": "No."}


def a_row(text: str) -> Row:
    return Row({"prompt": "Which?", "completion": text}, Source("sample", model=f"model-{text[:1]}"))


ROWS = {name: a_row(text) for name, text in TEXTS.items()}
S, L, X = (row.id for row in ROWS.values())
TASK = Task.of("Which?", [S, L, X])


@pytest.fixture
def store(tmp_path: Path) -> LabelStore:
    made = LabelStore(tmp_path / "labels.sqlite")
    made.add_tasks([TASK], {row.id: row for row in ROWS.values()})
    return made


def said(who: str, kind: str, value: object = None, answer: str = "", **more: object) -> Label:
    return Label(who, TASK.id, kind, value, answer, **more)  # type: ignore[arg-type]


def test_a_task_does_not_depend_on_the_order_of_its_answers():
    assert Task.of("Which?", [X, S, L]).id == TASK.id != Task.of("Which?", [X, S]).id


def test_a_change_of_mind_takes_the_place_and_undoing_brings_back_what_was_before(store: LabelStore):
    store.add(said("ann", "rate", 2, S))
    store.add(said("ann", "rate", 5, S), said("bob", "rate", 1, S))
    assert [(x.annotator, x.value) for x in store.labels()] == [("ann", 5), ("bob", 1)]
    gone = store.undo("ann")
    assert gone is not None
    assert gone.value == 5
    assert [(x.annotator, x.value) for x in store.labels()] == [("ann", 2), ("bob", 1)]
    assert store.undo("ann").value == 2  # type: ignore[union-attr]
    assert store.undo("ann") is None
    assert [x.annotator for x in store.labels()] == ["bob"]


def test_labels_by_different_principles_do_not_take_each_others_place(store: LabelStore):
    store.add(
        said("ann", "approve", True, S, principle="honest"),
        said("ann", "approve", False, S, principle="kind"),
    )
    assert [x.value for x in store.labels()] == [True, False]


@pytest.mark.parametrize(
    ("kind", "value", "answer"),
    [
        ("rank", [[S], ["other"]], ""),
        ("rank", [[S], [S]], ""),
        ("rank", [[S]], ""),
        ("rank", [[S], []], ""),
        ("rank", [S, L], ""),
        ("rank", [[S, L]], S),
        ("rate", 0, S),
        ("rate", 6, S),
        ("rate", 2.5, S),
        ("rate", True, S),
        ("rate", 3, "other"),
        ("approve", 1, S),
        ("edit", "  ", S),
        ("skip", "why", ""),
        ("praise", 1, S),
    ],
)
def test_what_no_label_can_say_is_refused(kind: str, value: object, answer: str):
    with pytest.raises(UserError, match=r"page 3"):
        check_label(said("ann", kind, value, answer), TASK, where="page 3")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 61, None])
def test_a_name_must_be_one(name: object):
    with pytest.raises(UserError, match="1 to 60 printable"):
        check_label(said(name, "skip"), TASK)  # type: ignore[arg-type]


def test_an_unknown_task_stores_nothing(store: LabelStore):
    with pytest.raises(UserError, match="no task 'elsewhere'"):
        store.add(said("ann", "skip"), Label("ann", "elsewhere", "skip"))
    assert store.labels() == []


def test_two_processes_see_each_others_labels(store: LabelStore):
    with LabelStore(store.path) as other:
        store.add(said("ann", "rate", 2, S))
        other.add(said("bob", "rate", 3, S))
        assert (
            [x.annotator for x in store.labels()] == [x.annotator for x in other.labels()] == ["ann", "bob"]
        )
        other.undo("ann")
        assert [x.annotator for x in store.labels()] == ["bob"]


WRITER = """
import sys
from truenorth.records.label_store import LabelStore
from truenorth.records.labels import Label
store = LabelStore(sys.argv[1])
[task] = store.tasks().values()
for i in range(10**6):
    store.add(Label("ann", task.id, "rate", i % 5 + 1, task.answers[0], note=str(i)))
    print(i, flush=True)
"""


def test_a_killed_process_loses_at_most_the_label_in_flight(store: LabelStore):
    started = [sys.executable, "-c", WRITER, str(store.path)]
    with subprocess.Popen(started, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        confirmed = -1
        while confirmed < 20:
            confirmed = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        confirmed = max(
            [confirmed, *(int(line) for line in process.stdout.read().split("\n") if line.strip())]
        )
    with sqlite3.connect(store.path) as db:
        kept = [int(note) for (note,) in db.execute("SELECT note FROM events ORDER BY id")]
    db.close()
    assert kept[: confirmed + 1] == list(range(confirmed + 1))
    assert len(kept) <= confirmed + 2
    store.add(said("bob", "skip"))  # and the file goes on


def test_a_file_of_something_else_is_left_alone(tmp_path: Path):
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE replies (key TEXT)")
    db.close()
    before = other.read_bytes()
    with pytest.raises(UserError, match="something else than labels"):
        LabelStore(other)
    (tmp_path / "text").write_text("no database at all, and long enough to look like one " * 9)
    with pytest.raises(UserError, match="not a database"):
        LabelStore(tmp_path / "text")
    with pytest.raises(UserError, match="no labels yet"):
        LabelStore(tmp_path / "none", create=False)
    assert other.read_bytes() == before
    assert not (tmp_path / "none").exists()


def test_labels_become_rows_that_judges_and_training_read(store: LabelStore, tmp_path: Path):
    more = {"principle": "kind", "constitution": "shop@1#abc", "made": "2026-01-31T12:00:00+0000"}
    store.add(
        said("ann", "approve", False, S, **more),
        said("ann", "rate", 4, L, **more),
        said("bob", "rank", [[L], [S], [X]], **more),
    )
    rows = FORMS["labels"](store.annotations())
    # approved no; 4 of 1..5 is three quarters; of three, the first beats both others, the last none, and the
    # middle one says neither
    assert [(r.data["completion"], r.data["label"]) for r in rows] == [
        (TEXTS["s"], False),
        (TEXTS["l"], 0.75),
        (TEXTS["l"], 1.0),
        (TEXTS["x"], 0.0),
    ]
    source = rows[1].source
    assert (source.producer, source.family, source.parents) == ("human:ann", "people", (L,))
    assert (source.principle, source.constitution) == ("kind", "shop@1#abc")
    assert source.note == "rate 4 of 5, 2026-01-31T12:00:00+0000"
    path = write_table(tmp_path / "labels.jsonl", rows)
    assert read_labels(path, principle="kind") == [
        (r.data["prompt"], r.data["completion"], r.data["label"]) for r in rows
    ]
    assert read_labels(path, principle="other") == []
    assert read_labelled(path).writers == ["model-S", "model-A", "model-A", "model-N"]


def test_rankings_become_pairs_and_ties_do_not(store: LabelStore, tmp_path: Path):
    store.add(said("ann", "rank", [[L], [S, X]]))
    rows = FORMS["pairs"](store.annotations())
    assert {(r.data["chosen"], r.data["rejected"]) for r in rows} == {
        (TEXTS["l"], TEXTS["s"]),
        (TEXTS["l"], TEXTS["x"]),
    }
    assert {(r.data["chosen_model"], r.data["rejected_model"]) for r in rows} == {
        ("model-A", "model-S"),
        ("model-A", "model-N"),
    }
    assert [y for _, _, y in read_labelled(write_table(tmp_path / "pairs.jsonl", rows)).labels] == [
        1,
        0,
        1,
        0,
    ]


def test_an_edit_is_preferred_to_what_it_mends(store: LabelStore):
    store.add(said("ann", "edit", "Better.", S), said("ann", "flag", "", X))
    [edit], [flag] = (FORMS[form](store.annotations()) for form in ("edits", "flags"))
    assert (edit.data["chosen"], edit.data["rejected"], edit.source.parents) == ("Better.", TEXTS["s"], (S,))
    assert flag.data["flag"] == "flagged"


def test_exported_rankings_and_votes_feed_the_published_estimators(store: LabelStore):
    for who, order in (("ann", [[L], [S], [X]]), ("bob", [[L], [X], [S]]), ("cid", [[L], [S], [X]])):
        store.add(said(who, "rank", order))
    rows = FORMS["rankings"](store.annotations())
    ballots = [[row.data["completions"][tier[0]] for tier in row.data["ranking"]] for row in rows]
    assert ranked_pairs(ballots).ranking == [TEXTS["l"], TEXTS["s"], TEXTS["x"]]
    votes = [row.data for row in FORMS["votes"](store.annotations())]
    first, second, outcome = ([v[k] for v in votes] for k in ("first", "second", "outcome"))
    ladder = bradley_terry(first, second, outcome, clusters=[v["task"] for v in votes], draws=2)
    assert [rated.name for rated in ladder.table()] == ["model-A", "model-S", "model-N"]


def test_rows_of_every_form_know_their_answers(store: LabelStore):
    store.add(said("ann", "rank", [[L], [S, X]]), said("ann", "edit", "Better.", S), said("ann", "skip"))
    rows = all_rows(store.annotations())
    assert (
        len({row.id for row in rows}) == len(rows) == 3 + 2 + 1 + 1 + 3
    )  # labels, pairs, edit, ranking, votes
    assert {p for row in rows for p in row.source.parents} == {S, L, X}


def test_agreement_is_that_of_the_published_coefficients(store: LabelStore):
    """Krippendorff (2011), two observers, nominal: alpha is 0.095 for ten items; here by hand on four.

    ann 1 1 0 0, bob 1 0 0 0. Coincidences: (1,1) 2, (0,0) 4, (1,0) 2; n = 8, n1 = 3, n0 = 5.
    Observed disagreement 2/8; expected 2 * 3 * 5 / (8 * 7) = 30/56. alpha = 1 - (2/8) / (30/56) = 0.5333...
    Cohen: agreement 3/4, chance 1/2 * 1/4 + 1/2 * 3/4 = 1/2, kappa = 1/2.
    """
    tasks = [Task.of(f"{i}?", [a_row(f"{i}.").id]) for i in range(4)]
    store.add_tasks(tasks, {a_row(f"{i}.").id: a_row(f"{i}.") for i in range(4)})
    for who, votes in (("ann", (1, 1, 0, 0)), ("bob", (1, 0, 0, 0))):
        store.add(*[Label(who, t.id, "approve", bool(v), t.answers[0]) for t, v in zip(tasks, votes)])
    store.add(Label("ann", TASK.id, "approve", True, S))  # nobody else said anything of this one
    found = agreement(store.labels(), "approve")
    assert found.alpha.mean == pytest.approx(1 - (2 / 8) / (30 / 56))
    assert found.alpha.low < found.alpha.mean < found.alpha.high
    assert found.kappa is not None
    assert found.kappa.mean == pytest.approx(0.5)
    assert (found.same.mean, found.items, found.people) == (0.75, 4, 2)


def test_people_agree_on_a_ranking_pair_by_pair(store: LabelStore):
    store.add(said("ann", "rank", [[L], [S], [X]]), said("bob", "rank", [[L], [X], [S]]))
    found = agreement(store.labels(), "rank")
    assert found.items == 3
    assert found.same.mean == pytest.approx(2 / 3)  # they differ on short against no


def test_nothing_in_common_is_no_agreement_rather_than_none_at_all(store: LabelStore):
    store.add(said("ann", "rate", 1, S), said("bob", "rate", 1, L))
    found = agreement(store.labels(), "rate")
    assert found.items == 0
    assert found.alpha.mean != found.alpha.mean
    assert found.same.mean != found.same.mean


@pytest.mark.parametrize("module", [labels, label_rows])
def test_examples_run(module: object):
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_ratings_that_are_near_count_as_nearer_than_ratings_that_are_far(store: LabelStore):
    """Ordinal: a reference implementation (the krippendorff package) has the same values."""
    import krippendorff

    tasks = [Task.of(f"{i}?", [a_row(f"{i}.").id]) for i in range(6)]
    store.add_tasks(tasks, {a_row(f"{i}.").id: a_row(f"{i}.") for i in range(6)})
    first, second = (1, 2, 3, 4, 5, 1), (1, 3, 3, 5, 5, 4)
    for who, votes in (("ann", first), ("bob", second)):
        store.add(*[Label(who, t.id, "rate", n, t.answers[0]) for t, n in zip(tasks, votes)])
    expected = krippendorff.alpha(reliability_data=[first, second], level_of_measurement="ordinal")
    assert agreement(store.labels(), "rate").alpha.mean == pytest.approx(expected)


def test_a_name_is_one_name_with_and_without_spaces_around_it(store: LabelStore):
    store.add(said(" ann ", "rate", 2, S))
    store.add(said("ann", "rate", 4, S))
    assert [(x.annotator, x.value) for x in store.labels()] == [("ann", 4)]


def test_a_full_disk_is_said_as_such_and_the_store_goes_on_when_there_is_room(store: LabelStore):
    [pages] = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count={pages + 1}")
    with pytest.raises(UserError, match="disk is full"):
        store.add(*(said("ann", "edit", "x" * 4000, a) for a in (S, L, X)))
    assert store.labels() == []
    store._db.execute("PRAGMA max_page_count=100000")
    store.add(said("ann", "rate", 4, S))
    assert [x.value for x in store.labels()] == [4]
