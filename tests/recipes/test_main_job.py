"""The main job, small: what it writes, that it resumes after kills, and that it never looks at the truth."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from truenorth.engine import View
from truenorth.records import prompt_text
from truenorth.synth import load_heldout
from truenorth.synth.decontaminate import ngram_hashes
from truenorth.worlds.harbour import organism

SCRIPT = Path(__file__).with_name("small_align.py")


def start(folder: Path, *flags: str, **env: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(SCRIPT), str(folder), *flags]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **env}
    return subprocess.run(words, capture_output=True, text=True, env=variables, timeout=500, check=False)


def made(folder: Path) -> dict[str, str]:
    """A hash of every step's rows and weights: what must be equal, bit for bit."""
    found = {}
    for path in sorted((folder / "steps").rglob("*")):
        if path.suffix in (".parquet", ".safetensors"):
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "small"
    done = start(folder)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def test_the_main_job_writes_model_data_report_and_numbers(run):
    report = json.loads((run / "report.json").read_text())
    harmless = report["principles"]["harmless"]
    assert {"mean", "low", "high", "n"} <= harmless["base"].keys() & harmless["aligned"].keys()
    assert {"difference", "low", "high", "p"} <= harmless["paired"].keys()
    assert report["sets"]["far"]["principles"].keys() == report["principles"].keys()
    assert report["capability"]
    assert report["kl"]["mean"] > 0
    assert "<html" in (run / "report.html").read_text()
    from truenorth.models.local import LocalModel

    model = LocalModel.load(run / "model")
    [[answer]] = model.sample([[{"role": "user", "content": "What is 12 + 7?"}]], temperature=0.0)
    assert answer.text


def test_a_training_row_is_walked_back_to_its_principle_and_seed(run):
    view = View.read(run)
    pair = next(r for r in view.rows("data") if r.data["use"] == "pair")
    assert pair.source.constitution.startswith("harbour@")
    verdict = view.find(pair.source.parents[0])
    assert verdict is not None
    answer = view.find(verdict.row.source.parents[0])
    assert answer is not None
    assert answer.row.source.seed == 0
    prompt = view.find(answer.row.source.parents[0])
    assert prompt is not None
    assert prompt.row.source.producer == "magpie"


def test_no_training_prompt_has_anything_that_is_held_out(run):
    held = load_heldout(organism().held_out)
    for row in View.read(run).rows("prompts"):
        assert not ngram_hashes(prompt_text(row.data["prompt"])) & held


def test_a_finished_job_started_again_makes_nothing_anew(run):
    before = made(run)
    times = {p: p.stat().st_mtime_ns for p in (run / "steps").iterdir()}
    done = start(run)
    assert done.returncode == 0, done.stderr[-2000:]
    assert made(run) == before
    assert {p: p.stat().st_mtime_ns for p in (run / "steps").iterdir()} == times


def test_the_job_makes_the_same_data_and_weights_without_the_truth(run, tmp_path):
    done = start(tmp_path / "blind", "--without-gold")
    assert done.returncode != 0
    assert "gold" in done.stderr.splitlines()[-1]
    blind, seen = made(tmp_path / "blind"), made(run)
    assert any(name.endswith(".safetensors") for name in blind)
    assert blind == {name: seen[name] for name in blind}


def killed_at_write(folder: Path, run: Path, moment: int) -> None:
    killed = start(folder, TRUENORTH_KILL_AT=str(moment))
    assert killed.returncode == -signal.SIGKILL
    assert made(folder) != made(run)
    done = start(folder)
    assert done.returncode == 0, done.stderr[-2000:]
    assert made(folder) == made(run)


@pytest.mark.parametrize("moment", [5, 14, 22])
def test_a_job_killed_at_a_write_and_started_again_ends_the_same(run, tmp_path, moment):
    killed_at_write(tmp_path / "killed", run, moment)


@pytest.mark.kill
@pytest.mark.parametrize("moment", range(1, 40))
def test_a_job_killed_at_any_write_and_started_again_ends_the_same(run, tmp_path, moment):
    killed_at_write(tmp_path / "killed", run, moment)


@pytest.mark.kill
def test_a_job_killed_at_ten_moments_and_started_again_ends_the_same(run, tmp_path):
    whole_s = sum(cost.wall_s for cost in View.read(run).costs().values()) + 12  # and the imports
    for k in range(10):
        folder = tmp_path / f"moment-{k}"
        process = subprocess.Popen([sys.executable, str(SCRIPT), str(folder)], stderr=subprocess.DEVNULL)
        time.sleep(whole_s * (k + 0.5) / 10)
        process.kill()
        process.wait()
        done = start(folder)
        assert done.returncode == 0, done.stderr[-2000:]
        assert made(folder) == made(run)
