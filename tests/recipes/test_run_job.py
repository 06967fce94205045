"""Recipes at work, small: what a run writes, that kills and budgets lose nothing, and who answers."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from truenorth.cli.main import main
from truenorth.engine import Run, View
from truenorth.recipes.run_budget import Budget, Kept, OutOfBudget
from truenorth.records import Completion, Prompt

SCRIPT, SMALL = Path(__file__).with_name("small_run.py"), Path(__file__).with_name("small.yaml")


def start(folder: Path, *flags: str, **env: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(SCRIPT), str(SMALL), str(folder), *flags]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **env}
    return subprocess.run(words, capture_output=True, text=True, env=variables, timeout=500, check=False)


def made(folder: Path) -> dict[str, str]:
    """A hash of every step's rows and weights: what must be equal, bit for bit."""
    files = sorted(p for p in (folder / "steps").rglob("*") if p.suffix in (".parquet", ".safetensors"))
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "small"
    assert main(["run", str(SMALL), "--out", str(folder), "--quiet"]) in (0, 1)
    return folder


def test_a_recipe_writes_each_step_the_model_and_the_same_report_as_the_main_job(run):
    view = View.read(run)
    assert [s.name for s in view.steps][:7] == [
        "prompts",
        "guided",
        "taught",
        "answers",
        "verdicts",
        "west_of_n",
        "policy",
    ]
    report = json.loads((run / "report.json").read_text())
    assert report["title"].startswith("Two stages on the smallest organism")
    assert {"base", "aligned", "paired"} <= report["principles"]["harmless"].keys()
    assert report["sets"]["far"]["principles"].keys() == report["principles"].keys()
    assert report["capability"]
    assert report["curves"]["series"]
    assert [stage["title"] for stage in report["data"]] == [
        "prompts",
        "guided",
        "answers",
        "verdicts",
        "west_of_n",
    ]
    table = next(t for t in report["tables"] if t["title"].startswith("Recipe"))
    assert [row[0] for row in table["rows"]] == [s.name for s in view.steps][:7]
    beside = next(t for t in report["tables"] if t["title"] == "Against taught")
    assert ["honest", "near"] in [row[:2] for row in beside["rows"]]
    assert {r.source.model for r in view.rows("conduct-near-taught")} != {
        r.source.model for r in view.rows("conduct-near-base")
    }
    assert "<html" in (run / "report.html").read_text()
    assert (run / "model" / "model.safetensors").exists()


def test_a_row_is_walked_back_through_the_trained_model_to_its_prompt(run):
    view = View.read(run)
    row = view.rows("west_of_n")[0]
    seen = []
    while row.source.parents:
        found = view.find(row.source.parents[-1])
        assert found is not None
        seen.append(found.step)
        row = found.row
    assert seen == ["verdicts", "prompts"] or seen == ["verdicts", "answers", "prompts"]


def test_the_second_stage_starts_from_the_first(run):
    from safetensors.torch import load_file

    from truenorth.worlds.harbour import organism

    view = View.read(run)
    folders = {s.name: run / "steps" / s.id for s in view.steps if s.kind == "files"}
    base, taught, policy = (
        load_file(folder / "model.safetensors")["model.embed_tokens.weight"].float()
        for folder in (organism("nano").model, folders["taught"], folders["policy"])
    )
    near, far = (policy - taught).norm(), (policy - base).norm()
    assert 0 < near < far


def test_a_finished_recipe_started_again_makes_nothing_anew(run):
    before = {p: p.stat().st_mtime_ns for p in (run / "steps").iterdir()}
    assert main(["run", str(SMALL), "--out", str(run), "--quiet"]) in (0, 1)
    assert {p: p.stat().st_mtime_ns for p in (run / "steps").iterdir()} == before


def test_other_settings_need_another_folder(run, capsys):
    assert main(["run", str(SMALL), "--out", str(run), "--quiet", "--set", "west_of_n.share=0.5"]) == 2
    assert "choose another folder with --out, or --fresh" in capsys.readouterr().err


@pytest.mark.parametrize("moment", [13])
def test_a_recipe_killed_at_a_write_and_started_again_ends_the_same(run, tmp_path, moment):
    killed = start(tmp_path / "killed", TRUENORTH_KILL_AT=str(moment))
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    assert made(tmp_path / "killed") != made(run)
    assert main(["run", str(SMALL), "--out", str(tmp_path / "killed"), "--quiet"]) in (0, 1)
    assert made(tmp_path / "killed") == made(run)


def test_a_recipe_makes_the_same_data_and_weights_without_the_truth(run, tmp_path):
    done = start(tmp_path / "blind", "--without-gold")
    assert done.returncode not in (0, 2), done.stderr[-2000:]
    assert "gold" in done.stderr.splitlines()[-1]
    blind, seen = made(tmp_path / "blind"), made(run)
    assert sum(name.endswith(".safetensors") for name in blind) == 2
    assert blind == {name: seen[name] for name in blind}


@pytest.mark.kill
@pytest.mark.parametrize("moment", range(1, 40))
def test_a_recipe_killed_at_any_write_and_started_again_ends_the_same(run, tmp_path, moment):
    test_a_recipe_killed_at_a_write_and_started_again_ends_the_same(run, tmp_path, moment)


def test_a_budget_that_runs_out_keeps_what_was_made_and_the_same_command_goes_on(run, tmp_path, capsys):
    folder = tmp_path / "spent"
    words = ["run", str(SMALL), "--out", str(folder), "--quiet"]
    assert main([*words, "--budget", "0.01s"]) == 130
    said = capsys.readouterr().err
    assert "the budget of" in said
    assert "the same command goes on" in said
    assert "(step prompts; 0 of 7 steps are done)" in said
    assert json.loads((folder / "manifest.json").read_text())["status"] == "interrupted"
    assert main(words) in (0, 1)
    assert made(folder) == made(run)


class Counting:
    """A model that counts what it is asked; each draw depends on the prompt and its number alone."""

    name = "counting"

    def __init__(self) -> None:
        self.asked = 0

    def sample(
        self, prompts: Sequence[Prompt], n: int = 1, *, tick: Any = None, **_: Any
    ) -> list[list[Completion]]:
        self.asked += len(prompts)
        return [[Completion(f"{prompt} {i}") for i in range(n)] for prompt in prompts]


def test_samples_are_kept_as_they_come_and_none_is_asked_twice(tmp_path):
    prompts = [f"prompt {i}" for i in range(300)]
    times = iter([0.0, 0.0, 5.0, 50.0])  # the start, then one look before each 128 prompts
    spent = Budget(seconds=10.0, clock=lambda: next(times))
    first, second = Counting(), Counting()

    def steps(model: Counting, budget: Budget) -> None:
        with Run.open(tmp_path / "run", config={}, argv=[]) as run:
            run.step("s", {}, lambda: Kept(model, run, budget).sample(prompts, 2)[:0])

    with pytest.raises(OutOfBudget, match="256 of 300 prompts answered"):
        steps(first, spent)
    assert first.asked == 256
    steps(second, Budget())
    assert second.asked == 300 - 256


def test_a_training_that_the_budget_ends_goes_on_from_its_last_checkpoint(tmp_path):
    from truenorth.recipes.run_budget import Clocked

    times = iter([0.0, 0.0, 5.0, 50.0])
    with Run.open(tmp_path / "run", config={}, argv=[]) as run:
        clocked = Clocked(run, Budget(seconds=10.0, clock=lambda: next(times)))
        clocked.metrics(step=1, loss=0.5)
        clocked.metrics(step=2, loss=0.4)
        with pytest.raises(OutOfBudget, match="at training step 3"):
            clocked.metrics(step=3, loss=0.3)
        assert [m["step"] for m in run.view().metrics()] == [1, 2]
        assert clocked.path == run.path
