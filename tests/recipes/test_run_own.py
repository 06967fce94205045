"""Recipes on a model of one's own: who answers, what an endpoint's budget leaves, and a step of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from servers import Behaviour, serving
from truenorth.cli.main import main
from truenorth.engine import View
from truenorth.records import prompt_text

PLACES = ["harbour", "market", "island", "ferry", "lighthouse", "capital", "boat", "net", "mast", "sail"]
POLICY = """
name: policy
version: "1"
principles:
  - id: short-e
    statement: The answer has an e in it.
    kind: value
    guidance: Use the letter e.
    checks: [{require: {answer: e}}]
"""
MINE = """
title: Best of three, imitated
steps:
  prompts: {}
  drafts: {step: answers, n: 3, guided: 0}
  loud: {step: "loud:loud", answers: drafts, least: 1}
  verdicts: {answers: loud}
  west_of_n: {share: 1.0}
  policy: {step: train, rows: west_of_n}
"""
IMITATED = """
title: The teacher, imitated
steps:
  prompts: {}
  drafts: {step: answers, n: 3, guided: 0}
  policy: {step: train, rows: drafts, objective: sft}
"""
LOUD = '''
from truenorth.recipes.run_work import Answers, Work
from truenorth.records import Row, Source


def loud(answers: Answers, work: Work, *, least: int = 0) -> Answers:
    """Each answer in capitals."""
    return [
        Row({**r.data, "completion": r.data["completion"].upper()}, Source("loud", parents=(r.id, *r.source.parents)))
        for r in answers
        if len(r.data["completion"]) >= least
    ]
'''
SMALL = "max_tokens=8 cut=true steps=3 batch=4 evaluations=1 items=8 margin=0.01".split()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a constitution, prompts, a recipe and a step of its own."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "mine.yaml").write_text(MINE)
    (tmp_path / "imitated.yaml").write_text(IMITATED)
    (tmp_path / "loud.py").write_text(LOUD)
    rows = [{"prompt": f"What of the {place} and number {n}?"} for place in PLACES for n in range(12)]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def run(desk: Path, model: Path, *more: str, recipe: str = "mine.yaml") -> int:
    words = [
        "run",
        recipe,
        "--model",
        str(model),
        "--constitution",
        "policy.yaml",
        "--prompts",
        "prompts.jsonl",
    ]
    sets = [word for setting in SMALL for word in ("--set", setting)]
    return main([*words, *sets, "--out", str(desk / "run"), "--quiet", "--allow-code", *more])


def test_a_recipe_with_a_step_of_ones_own_runs_on_a_model_of_ones_own(desk, tiny_llama):
    assert run(desk, tiny_llama(initializer_range=0.6)) in (0, 1)
    view = View.read(desk / "run")
    drafts, loud = view.rows("drafts"), view.rows("loud")
    assert [r.data["completion"] for r in loud] == [r.data["completion"].upper() for r in drafts]
    report = json.loads((desk / "run" / "report.json").read_text())
    assert "short-e" in report["principles"]
    assert report["verdict"]["passed"] is None  # the check that trained is all there is to measure with


def test_an_endpoint_answers_in_the_place_of_the_model_and_a_spent_budget_keeps_its_replies(
    desk, tiny_llama, capsys
):
    said = Behaviour(says=lambda text: "Aye." if "boat" in text else "No, the sea.")
    with serving(said) as url:
        ask = ["--sampler", "openai:teacher", "--sampler-url", url]
        model = tiny_llama(initializer_range=0.6)
        assert run(desk, model, *ask, "--budget", "20 requests", recipe="imitated.yaml") == 130
        assert "requests are spent" in capsys.readouterr().err
        assert said.counts["requests"] == 20
        assert run(desk, model, *ask, recipe="imitated.yaml") in (0, 1)
    view = View.read(desk / "run")
    assert {r.data["completion"] for r in view.rows("drafts")} == {"Aye.", "No, the sea."}
    assert all(r.source.model.startswith("teacher@") for r in view.rows("drafts"))
    prompts = len(view.rows("prompts"))
    assert (
        said.counts["requests"] == 3 * prompts
    )  # three answers to each; those that had come were not asked again


def test_a_plan_for_a_model_of_ones_own_looks_at_its_files(desk, tiny_llama, capsys):
    given = ["--model", str(tiny_llama()), "--constitution", "policy.yaml", "--prompts", "prompts.jsonl"]
    assert main(["plan", *given, "--budget", "30m"]) == 0
    said = capsys.readouterr().out
    assert "87 prompts" in said  # of 120, those that are not held out: about 70 %
    assert "1 principles with guidance" not in said
    assert "1 principle with guidance" in said
    assert (
        f"truenorth run magpie --model {given[1]} --constitution policy.yaml --prompts prompts.jsonl" in said
    )
    assert "isara" in said
    assert "needs --labels" in said


def test_a_search_on_a_model_of_ones_own_judges_on_the_part_of_the_file_that_only_measures(desk, tiny_llama):
    sets = [word for setting in [*SMALL, "samples=3"] for word in ("--set", setting)]
    model = tiny_llama(initializer_range=0.6)
    words = ["auto", "--model", str(model), "--constitution", "policy.yaml", "--prompts", "prompts.jsonl"]
    words += [
        "--recipes",
        "magpie",
        "isara",
        "--rounds",
        "1",
        "--held",
        "20",
        "--quiet",
        "--out",
        str(desk / "auto"),
    ]
    assert main([*words, *sets]) == 0
    told = json.loads((desk / "auto" / "auto.json").read_text())
    assert [entry["name"] for entry in told["rounds"][0]] == ["magpie"]  # isara has no labels to begin with
    assert told["front"] == ["magpie"]
    folder = desk / "auto" / "round-1" / "magpie"
    view = View.read(folder)
    trained, held = (
        {prompt_text(row.data["prompt"]) for row in view.rows(name)} for name in ("answers", "judged-base")
    )
    assert held
    assert not trained & held
