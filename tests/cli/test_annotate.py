"""`truenorth annotate`: the page until killed, labels out and in, and every mistake in one line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from truenorth.base import write_jsonl
from truenorth.cli import annotate
from truenorth.cli.main import main
from truenorth.engine import Run
from truenorth.records import Row, Source
from truenorth.records.label_store import LabelStore
from truenorth.records.labels import Label, Task

POLICY = """\
name: shop
version: "1"
principles:
  - id: kind
    title: Kind
    statement: Be kind to everybody.
    kind: value
"""
PAIRS = [("Why?", "Because it is so.", "No idea."), ("How?", "With a rope and care.", "Go away.")]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    rows = [
        Row({"prompt": prompt, "completion": text}, Source("sample", model=f"model-{i}", seed=3))
        for prompt, *texts in PAIRS
        for i, text in enumerate(texts)
    ]
    with Run.open(tmp_path / "run", config={}) as opened:
        opened.step("answers", 1, lambda: rows)
    (tmp_path / "run" / "constitution.yaml").write_text(POLICY)
    return tmp_path / "run"


class Page:
    """`truenorth annotate` as a process, killed at the end if it still runs."""

    def __init__(self, *words: str):
        command = [sys.executable, "-m", "truenorth.cli", "annotate", *words, "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline() + self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", self.said)
        assert found, self.said + (self.process.stderr.read() if self.process.stderr else "")
        self.address = found[0]

    def send(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        with urllib.request.urlopen(
            urllib.request.Request(self.address + path, data, headers), timeout=20
        ) as reply:
            return json.load(reply)

    def end(self, how: int) -> str:
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=30)
        return out + err


def test_a_killed_page_has_kept_every_label_and_goes_on(run: Path):
    first = Page(str(run))
    assert "2 of 2 prompts, 4 answers" in first.said
    task = first.send("/api/task?annotator=ann&ask=rank")["task"]
    body = {"annotator": "ann", "ask": "rank", "task": task["task"], "kind": "rank", "value": [[0], [1]]}
    assert first.send("/api/label", body)["state"]["done"] == 1
    first.end(signal.SIGKILL)
    again = Page(str(run), "--principle", "kind")
    with urllib.request.urlopen(again.address, timeout=20) as reply:
        assert "Be kind to everybody." in reply.read().decode()
    assert again.send("/api/task?annotator=ann&ask=rank")["state"]["done"] == 0  # another question
    again.send("/api/label", body)
    said = again.end(signal.SIGINT)
    assert again.process.returncode == 0
    assert "2 labels in" in said
    assert "--export labels.jsonl" in said
    with LabelStore(run / "labels.sqlite", create=False) as store:
        found = store.labels()
    assert [x.principle for x in found] == ["", "kind"]
    assert found[1].constitution.startswith("shop@1#")


@pytest.fixture
def labelled(run: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The run, after ann approved of every first answer and bob ranked it above the other."""
    args = ["annotate", str(run), "--export", str(run / "empty.json"), "--as", "argilla"]
    assert main(args) == 0  # makes the store, with its tasks and no labels
    capsys.readouterr()
    with LabelStore(run / "labels.sqlite") as store:
        answers = store.annotations().answers
        for task in store.tasks().values():
            good, bad = sorted(task.answers, key=lambda a: answers[a].source.model)
            say = {"principle": "kind", "constitution": "shop@1#abc"}
            store.add(Label("ann", task.id, "approve", True, good, **say))
            store.add(Label("ann", task.id, "approve", False, bad, **say))
            store.add(Label("bob", task.id, "rank", [[good], [bad]], **say))
    return run


def test_exported_labels_make_a_judges_card(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "labels.jsonl"
    assert main(["annotate", str(labelled), "--export", str(out)]) == 0
    assert "8 labels in" in capsys.readouterr().out
    judge = tmp_path / "judge.yaml"
    judge.write_text("kind: check\nname: min_words\nlimit: 3\n")
    main(["judge", "card", str(judge), "--labels", str(out), "--no-attacks", "--json"])
    card = json.loads(capsys.readouterr().out)
    assert card["n"] == 8
    assert card["accuracy"]["mean"] == 1.0  # good answers here have four words or more, bad ones two


def test_why_leads_from_a_label_to_the_answer_and_the_person(labelled: Path, tmp_path: Path, capsys):
    out = tmp_path / "labels.jsonl"
    main(["annotate", str(labelled), "--export", str(out)])
    row = json.loads(out.read_text().splitlines()[0])
    capsys.readouterr()
    assert main(["why", str(labelled), row["id"][:8]]) == 0
    said = capsys.readouterr().out
    assert f"human:ann  {row['id']}" in said
    assert "<- sample" in said
    assert "principle kind: Kind. Be kind to everybody." in said
    assert "people human:ann" in said
    main(["annotate", str(labelled), "--export", str(out), "--as", "consensus"])
    row = json.loads(out.read_text().splitlines()[0])
    capsys.readouterr()
    assert main(["why", str(labelled), row["id"]]) == 0
    assert "<- human:ann" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["label-studio", "argilla"])
def test_labels_go_to_another_tool_and_come_back_once(labelled: Path, tmp_path: Path, form: str, capsys):
    out = tmp_path / "out.json"
    assert main(["annotate", str(labelled), "--export", str(out), "--as", form]) == 0
    assert "2 tasks and 6 labels" in capsys.readouterr().out
    assert (tmp_path / ("out.xml" if form == "label-studio" else "out.settings.json")).exists()
    back = ["annotate", str(labelled), "--import", str(out), "--as", form]
    assert main(back) == 0
    assert "0 labels taken in, 6 known already" in capsys.readouterr().out
    with LabelStore(labelled / "labels.sqlite") as store:
        before = {(x.place, str(x.value)) for x in store.labels()}
        for who in ("bob", "bob", "ann", "ann", "ann", "ann"):
            store.undo(who)
        assert store.labels() == []
    assert main(back) == 0
    assert "6 labels taken in" in capsys.readouterr().out
    with LabelStore(labelled / "labels.sqlite") as store:
        assert {(x.place, str(x.value)) for x in store.labels()} == before


def test_agreement_is_printed(labelled: Path, capsys: pytest.CaptureFixture[str]):
    with LabelStore(labelled / "labels.sqlite") as store:
        mine = [x for x in store.labels() if x.annotator == "ann"]
        store.add(*[x._replace(annotator="cid") for x in mine])
    assert main(["annotate", str(labelled), "--agreement"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("rank     nothing that two people labelled")
    assert lines[2].startswith("approve  2 people, 4 in common; alpha 1.000 [")


def test_people_are_printed_one_a_line(labelled: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["annotate", str(labelled), "--people"]) == 0
    ann, bob = capsys.readouterr().out.splitlines()
    assert ann.startswith("ann                      4 labels")
    assert bob.startswith("bob                      2 labels")


def test_a_table_of_answers_keeps_its_labels_beside_it(tmp_path: Path):
    table = write_jsonl(tmp_path / "mine.jsonl", [{"prompt": "p", "completion": "a"}])
    assert annotate.store_path(table) == tmp_path / "mine.labels.sqlite"
    assert main(["annotate", str(table), "--export", str(tmp_path / "o.json"), "--as", "label-studio"]) == 0
    with LabelStore(annotate.store_path(table), create=False) as store:
        assert [task.prompt for task in store.tasks().values()] == ["p"]


def one_answer(tmp_path: Path) -> str:
    return str(write_jsonl(tmp_path / "one.jsonl", [{"prompt": "p", "completion": "a"}]))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["RUN/none"], "no such run or file"),
        (["TMP"], "not a run (no manifest.json)"),
        (["RUN", "--step", "answer"], "no step 'answer'; expected one of answers"),
        (["ONE", "--step", "answers"], "--step: a table has no steps; leave it out, or name a run"),
        (["RUN", "--principle", "brave"], "no principle 'brave'; expected one of kind"),
        (["ONE", "--principle", "kind"], "no constitution to read it from; --constitution FILE"),
        (["ONE", "--ask", "rank"], "every prompt has one answer only"),
        (["RUN", "--port", "70000"], "--port: 70000; expected 0 to 65535"),
        (["RUN", "--limit", "0"], "--limit: 0; expected 1 or more"),
        (["RUN", "--export", "TMP/labels.jsonl"], "no labels yet; truenorth annotate makes some"),
        (["RUN", "--import", "ONE"], "--import: which format is it?; --as label-studio or --as argilla"),
        (["RUN", "--as", "argilla"], "--as without --export or --import"),
        (["RUN", "--export", "TMP/x.csv", "--as", "argilla"], "expected a name that ends in .json"),
        (["RUN", "--export", "TMP/x", "--import", "TMP/x"], "--export and --import together"),
        (["RUN", "--gold", "ONE"], "row 1: nothing is known from this row"),
        (["RUN", "--practice", "3"], "--practice: there is nothing known to practise on; --gold FILE"),
        (["RUN", "--as", "csv", "--export", "TMP/x"], "invalid choice: 'csv'"),
    ],
)
def test_mistakes_are_one_line(run: Path, tmp_path: Path, words: list[str], says: str, capsys):
    named = {"RUN": str(run), "TMP": str(tmp_path), "ONE": one_answer(tmp_path)}
    given = [re.sub("RUN|TMP|ONE", lambda m: named[m[0]], word) for word in words]
    assert main(["annotate", *given]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert not (run / "labels.sqlite").exists()


def test_no_form_without_rows_is_written(labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["annotate", str(labelled), "--export", str(tmp_path / "e.jsonl"), "--as", "edits"]) == 2
    assert "no edits in the labels so far" in capsys.readouterr().err
    assert not (tmp_path / "e.jsonl").exists()


def test_a_task_of_another_run_is_refused_by_the_import(labelled: Path, tmp_path: Path, capsys):
    other = Task.of("elsewhere", ["x"])
    (tmp_path / "f.json").write_text(json.dumps([{"data": {"task": other.id}, "annotations": []}]))
    words = ["annotate", str(labelled), "--import", str(tmp_path / "f.json"), "--as", "label-studio"]
    assert main(words) == 2
    assert "f.json, task 1: not one of these tasks" in capsys.readouterr().err


def test_what_the_page_needs_is_light():
    code = (
        "import sys, truenorth.serve.annotate, truenorth.serve.gathering, truenorth.records.argilla; "
        "print({'torch', 'transformers', 'datasets'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout == "set()\n"
