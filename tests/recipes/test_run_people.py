"""A recipe whose verdicts come from people: it stops with the page's address, and the same command goes on."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from truenorth.cli.main import main
from truenorth.engine import View
from truenorth.records.label_store import LabelStore
from truenorth.records.labels import Label

RECIPE = """\
title: Answers that people call good, imitated
model: harbour-nano
settings: {{prompts: 6, held_prompts: 8, samples: 2, steps: 3, evaluations: 1, batch: 4, items: 4}}
steps:
  prompts: {{}}
  answers: {{}}
  verdicts: {{judge: "people:{queue}"}}
  best: {{verdicts: verdicts}}
  policy: {{step: train, rows: best, objective: sft}}
"""


def test_a_run_waits_for_people_and_goes_on_with_what_they_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    queue, out = tmp_path / "queue.sqlite", tmp_path / "run"
    recipe = tmp_path / "asked.yaml"
    recipe.write_text(RECIPE.format(queue=queue))
    command = ["run", str(recipe), "--out", str(out), "--quiet"]
    assert main(command) == 130
    told = capsys.readouterr().err
    assert (
        f"answers wait for people; open the page: truenorth annotate {shlex.quote(str(queue))} --ask approve"
        in told
    )
    assert "step verdicts; 2 of 5 steps are done" in told
    with LabelStore(queue) as store:
        answers = store.answers()
        every = [(task.id, answer) for task in store.tasks().values() for answer in task.answers]
        labels = [
            Label("ann", task, "approve", len(answers[a].data["completion"]) % 2 == 0, a) for task, a in every
        ]
        store.add(*labels[1:])
    assert main(command) == 130
    assert f"1 of {len(labels)} answers wait for people" in capsys.readouterr().err
    with LabelStore(queue) as store:
        store.add(labels[0])
    assert main(command) in (0, 1)  # the report's verdict on so short a training is beside the point
    rows = View.read(out).rows("verdicts")
    assert {r.data["completion"]: r.data["score"] for r in rows} == {
        answers[a].data["completion"]: float(len(answers[a].data["completion"]) % 2 == 0) for _, a in every
    }
    assert {r.source.judge for r in rows} == {"people:queue.sqlite"}
    assert (out / "report.html").is_file()
