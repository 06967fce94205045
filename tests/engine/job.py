"""A small job with every kind of write, killed at every write point; run by test_kills.py in a fresh process.

Prints one JSON line. Forks for each kill, so that the imports are paid for once.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import pandas  # noqa: F401  (Arrow imports it on first use: here, once, and not in every fork)

from truenorth.engine import Journal, Run, write_point, write_whole
from truenorth.records import Row, Source

ROOT = Path(sys.argv[1])


def job(folder: Path, pause_s: float = 0.0) -> None:
    with Run.open(folder, config={"seed": 3}, say=lambda _: None) as run:
        prompts = run.step("prompts", {"n": 4}, lambda: [row("ask", i) for i in range(4)])
        run.step("answers", {"prompts": prompts}, lambda: answers(run, prompts, pause_s))
        weights = run.step_files("weights", {"prompts": prompts}, lambda out: train(run, out, pause_s))
        run.publish("model", weights)


def answers(run: Run, prompts: list[Row], pause_s: float) -> list[Row]:
    journal = Journal(run.scratch() / "paid.jsonl")  # answers that cost money: bought once
    bought = {entry["prompt"] for entry in journal.entries}
    for prompt in prompts:
        time.sleep(pause_s)
        if prompt.id not in bought:
            journal.append({"prompt": prompt.id})
    run.count("asked", len(journal.entries))
    journal.close()
    return [row("answer", i, p.id) for i, p in enumerate(prompts)]


def train(run: Run, out: Path, pause_s: float) -> None:
    checkpoint = run.scratch() / "checkpoint"
    weight, start = json.loads(checkpoint.read_text()) if checkpoint.exists() else (1.0, 0)
    for step in range(start, 6):
        time.sleep(pause_s)
        weight = weight * 1.7 % 1.0
        run.metrics(step=step, weight=weight)
        if step % 2:
            write_whole(checkpoint, json.dumps([weight, step + 1]).encode())
    (out / "weights.txt").write_text(repr(weight))


def row(producer: str, i: int, *parents: str) -> Row:
    return Row({"prompt": f"{producer} {i}"}, Source(producer, parents=parents))


def result(folder: Path) -> dict[str, str]:
    """Everything of a run that must not depend on kills; and that nothing half written is left."""
    left = [p.name for p in folder.rglob("*") if p.name.endswith(".part") or p.name.startswith(".")]
    assert not left, left
    assert not list((folder / "scratch").iterdir())
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["status"] == "finished"
    files = [p for p in folder.rglob("*") if p.is_file() and (p.suffix in {".parquet", ".txt"})]
    content = {str(p.relative_to(folder)): p.read_bytes().hex() for p in files}
    receipts = [json.loads(p.read_text()) for p in sorted((folder / "steps").glob("*.json"))]
    counts = {f"{r['name']} counts": str(r["counts"]) for r in receipts}
    return (
        content
        | counts
        | {"metrics": (folder / "metrics.jsonl").read_text(), "steps": str(manifest["steps"])}
    )


def fork(folder: Path, *, kill_at: int = 0, kill_after_s: float = 0.0, pause_s: float = 0.0) -> bool:
    """Run the job in a child. Returns whether it was killed."""
    pid = os.fork()
    if pid == 0:
        os.environ["TRUENORTH_KILL_AT"] = str(kill_at or "")
        job(folder, pause_s)
        os._exit(0)
    if kill_after_s:
        time.sleep(kill_after_s)
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the job failed by itself"
    return os.WIFSIGNALED(status)


def at_every_point(expected: dict[str, str]) -> int:
    for point in range(1, 1000):
        folder = ROOT / f"point{point}"
        if not fork(folder, kill_at=point):
            return point - 1
        fork(folder, kill_at=point)  # and killed again, at another place, while it resumes
        assert not fork(folder)
        assert result(folder) == expected, f"killed at write point {point}"
    raise AssertionError("the job never ends")


def at_random_moments(expected: dict[str, str]) -> int:
    draw, killed = random.Random(0), 0
    for moment in range(10):
        folder = ROOT / f"moment{moment}"
        killed += fork(folder, kill_after_s=draw.uniform(0.0, 0.25), pause_s=0.02)
        assert not fork(folder)
        assert result(folder) == expected, f"killed at moment {moment}"
    return killed


if __name__ == "__main__":
    write_point()  # without the variable nothing is counted
    assert not fork(ROOT / "whole")
    reference = result(ROOT / "whole")
    assert reference["metrics"].count("\n") == 6
    print(json.dumps({"points": at_every_point(reference), "moments": at_random_moments(reference)}))
