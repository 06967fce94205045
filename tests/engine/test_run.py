"""Steps: made once, found again, made again when their inputs change; bad places are refused early."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from truenorth.base import UserError
from truenorth.engine import Run, View, foreseen
from truenorth.records import Row, Source

CONFIG = {"recipe": "align", "seed": 1, "train": {"lr": 0.001}}


def rows(n: int = 3, producer: str = "ask") -> list[Row]:
    return [Row({"prompt": f"{producer} {i}"}, Source(producer)) for i in range(n)]


def never() -> list[Row]:
    raise AssertionError("made again")


def test_a_step_is_made_once_and_comes_from_disk_afterwards(tmp_path):
    with Run.open(tmp_path / "run", config=CONFIG) as run:
        first = run.step("ask", {"n": 3}, rows)
        assert run.step("ask", {"n": 3}, never) == first == rows()
    with Run.open(tmp_path / "run", config=CONFIG) as run:
        assert run.step("ask", {"n": 3}, never) == first


def test_steps_of_another_run_are_taken_over_with_what_they_cost_and_outlive_it(tmp_path):
    def fill(folder: Path) -> None:
        (folder / "inner").mkdir()
        (folder / "inner" / "weights.bin").write_bytes(b"1234")

    with Run.open(tmp_path / "first", config=CONFIG) as run:
        made = run.step("ask", {"n": 3}, rows)
        run.step_files("weights", {"n": 3}, fill)
    with Run.open(tmp_path / "second", config={"other": 1}, others=[tmp_path / "first"]) as run:
        assert run.step("ask", {"n": 3}, never) == made
        folder = run.step_files("weights", {"n": 3}, lambda _: never())
        assert run.step("ask", {"n": 4}, lambda: rows(4)) != made
        costs = run.view().costs()
    assert costs["weights"] == View.read(tmp_path / "first").costs()["weights"]
    shutil.rmtree(tmp_path / "first")
    assert (folder / "inner" / "weights.bin").read_bytes() == b"1234"
    assert View.read(tmp_path / "second").rows("ask")[:3] == made


def test_a_damaged_step_of_another_run_is_made_here(tmp_path):
    with Run.open(tmp_path / "first", config=CONFIG) as run:
        run.step("ask", {"n": 3}, rows)
    for file in (tmp_path / "first" / "steps").glob("ask-*.parquet"):
        file.write_bytes(b"torn")
    said: list[str] = []
    with Run.open(tmp_path / "second", config=CONFIG, others=[tmp_path / "first"], say=said.append) as run:
        assert run.step("ask", {"n": 3}, rows) == rows()
    assert "damaged" in said[0]


@pytest.mark.parametrize(
    "inputs", [{"n": 4}, {"n": 3, "more": None}, {"n": 3.5}, {"n": "3"}, [3], {"n": rows()}, {"n": rows(2)}]
)
def test_other_inputs_make_another_step(tmp_path, inputs):
    with Run.open(tmp_path / "run", config=CONFIG) as run:
        run.step("ask", {"n": 3}, rows)
        assert len(run.step("ask", inputs, lambda: rows(5))) == 5


def test_a_step_that_made_the_same_rows_again_leaves_later_steps_alone(tmp_path):
    with Run.open(tmp_path / "run", config=CONFIG) as run:
        run.step("answer", {"asked": run.step("ask", {"wording": 1}, rows)}, rows)
        run.step("answer", {"asked": run.step("ask", {"wording": 2}, rows)}, never)


def test_files_of_a_step_count_by_their_bytes_not_their_place(tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "policy.yaml").write_text("same")
    with Run.open(tmp_path / "run", config=CONFIG) as run:
        run.step("ask", {"file": tmp_path / "a"}, rows)
        run.step("ask", {"file": tmp_path / "b"}, never)
        (tmp_path / "b" / "policy.yaml").write_text("else")
        assert run.step("ask", {"file": tmp_path / "b"}, lambda: rows(1)) == rows(1)


@pytest.mark.parametrize("value", [len, {1, 2}, object()])
def test_inputs_without_content_are_refused_by_name(tmp_path, value):
    with Run.open(tmp_path / "run", config=CONFIG) as run, pytest.raises(TypeError, match=r"inputs\.a\[0\]"):
        run.step("ask", {"a": [value]}, rows)


def test_a_step_that_fails_leaves_nothing_and_can_be_made_again(tmp_path):
    def half(folder: Path) -> None:
        (folder / "weights").write_text("half")
        raise FloatingPointError("loss is NaN")

    with Run.open(tmp_path / "run", config=CONFIG) as run:
        with pytest.raises(FloatingPointError):
            run.step_files("weights", {}, half)
        assert list((tmp_path / "run" / "steps").glob("*")) == []
        folder = run.step_files("weights", {}, lambda f: (f / "weights").write_text("whole"))
    assert (folder / "weights").read_text() == "whole"


def test_a_damaged_step_is_said_and_made_again(tmp_path):
    said: list[str] = []
    with Run.open(tmp_path / "run", config=CONFIG) as run:
        run.step("ask", {}, rows)
        folder = run.step_files("weights", {}, lambda f: (f / "w").write_text("whole"))
    file = next((tmp_path / "run" / "steps").glob("ask-*.parquet"))
    file.write_bytes(file.read_bytes()[:-9])
    (folder / "w").write_text("who")
    with Run.open(tmp_path / "run", config=CONFIG, say=said.append) as run:
        assert run.step("ask", {}, rows) == rows()
        run.step_files("weights", {}, lambda f: (f / "w").write_text("whole"))
    assert [line.split(":")[0] for line in said] == ["ask", "weights"]
    assert (folder / "w").read_text() == "whole"


def test_a_damaged_step_is_refused_when_reading(tmp_path):
    with Run.open(tmp_path / "run", config=CONFIG) as run:
        run.step("ask", {}, rows)
    next((tmp_path / "run" / "steps").glob("*.parquet")).write_bytes(b"PAR1")
    with pytest.raises(UserError, match="changed after the run wrote it"):
        View.read(tmp_path / "run").rows("ask")


def test_scratch_outlives_a_failure_and_goes_when_the_step_is_done(tmp_path):
    def train(run: Run, folder: Path, fail: bool) -> None:
        if fail:
            (run.scratch() / "checkpoint").write_text("step 10")
            raise KeyboardInterrupt
        (folder / "from").write_text((run.scratch() / "checkpoint").read_text())

    with pytest.raises(KeyboardInterrupt), Run.open(tmp_path / "run", config=CONFIG) as run:
        run.step_files("weights", {}, lambda f: train(run, f, fail=True))
    assert View.read(tmp_path / "run").manifest["status"] == "interrupted"
    with Run.open(tmp_path / "run", config=CONFIG) as run:
        folder = run.step_files("weights", {}, lambda f: train(run, f, fail=False))
    assert (folder / "from").read_text() == "step 10"
    assert list((tmp_path / "run" / "scratch").iterdir()) == []


def test_published_folders_have_a_plain_name_that_moves_with_the_run(tmp_path):
    with Run.open(tmp_path / "run", config=CONFIG) as run:
        for text in ("one", "two"):
            run.publish("model", run.step_files("weights", text, lambda f: (f / "w").write_text(text)))  # noqa: B023
    (tmp_path / "run").rename(tmp_path / "moved")
    assert (tmp_path / "moved" / "model" / "w").read_text() == "two"


def test_metrics_have_no_doubles_after_a_resume_and_tell_stages_apart(tmp_path):
    def train(run: Run, steps: range) -> list[Row]:
        for step in steps:
            run.metrics(step=step, loss=1 / (step + 1))
        return rows()

    with Run.open(tmp_path / "run", config=CONFIG) as run, pytest.raises(ZeroDivisionError):
        run.step("train", {}, lambda: [*train(run, range(3)), 1 / 0])  # type: ignore[list-item]
    with Run.open(tmp_path / "run", config=CONFIG) as run:
        run.step("train", {}, lambda: train(run, range(1, 5)))  # from a checkpoint after the first step
        run.step("again", {}, lambda: train(run, range(1)))
        run.metrics(step=0, held_out=0.5)
    lines = View.read(tmp_path / "run").metrics("train")
    assert [(line["step"], line["loss"]) for line in lines] == [
        (0, 1.0),
        (1, 1 / 2),
        (2, 1 / 3),
        (3, 1 / 4),
        (4, 1 / 5),
    ]
    assert [line["stage"] for line in View.read(tmp_path / "run").metrics()] == ["train"] * 5 + ["again", ""]


def test_a_torn_last_line_is_dropped_and_written_whole(tmp_path):
    with Run.open(tmp_path / "run", config=CONFIG) as run:
        run.metrics(step=0, loss=1.0)
    file = tmp_path / "run" / "metrics.jsonl"
    with file.open("a") as out:
        out.write('{"stage": "", "step": 1, "lo')
    assert [m["step"] for m in View.read(tmp_path / "run").metrics()] == [0]
    with Run.open(tmp_path / "run", config=CONFIG) as run:
        run.metrics(step=1, loss=float("nan"))
        run.metrics(step=2, loss=float("inf"))
        run.metrics(step=3, loss=float("-inf"))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["loss"] for line in lines] == [1.0, "NaN", "Infinity", "-Infinity"]
    assert float(lines[1]["loss"]) != float(lines[1]["loss"])


def test_counts_belong_to_their_step_and_are_not_counted_twice_by_a_resume(tmp_path):
    def judge(run: Run) -> list[Row]:
        run.count("judge.errors", 2)
        run.count("judge.errors")
        return rows()

    for _ in range(2):
        with Run.open(tmp_path / "run", config=CONFIG) as run:
            run.step("judge", {}, lambda: judge(run))
    assert View.read(tmp_path / "run").counts() == {"judge.errors": 3}


def test_a_row_is_found_by_its_id_or_the_beginning_of_it_in_any_step(tmp_path):
    with Run.open(tmp_path / "run", config=CONFIG) as run:
        run.step("ask", {}, lambda: rows(2))
        wanted = run.step("answer", {}, lambda: rows(40, "answer"))[7]
        assert run.find(wanted.id) == (wanted, "answer")
        assert run.find(wanted.id[:10]) == (wanted, "answer")
        assert run.find("no-such-row") is None
        assert run.find("") is None
        begin = {r.id[0] for r in rows(40, "answer")}
        shared = next(c for c in begin if sum(r.id[0] == c for r in rows(40, "answer")) > 1)
        with pytest.raises(UserError, match="rows begin with"):
            run.find(shared)


def test_other_settings_are_refused_with_what_changed_and_fresh_starts_again(tmp_path):
    with Run.open(tmp_path / "run", config=CONFIG) as run:
        run.step("ask", {}, rows)
        run.metrics(step=0, loss=1.0)
    other = CONFIG | {"train": {"lr": 0.01}}
    with pytest.raises(UserError, match=r"train\.lr: 0\.001, now 0\.01.*--fresh"):
        Run.open(tmp_path / "run", config=other)
    with Run.open(tmp_path / "run", config=other, resume=False) as run:
        assert run.step("ask", {}, lambda: rows(1)) == rows(1)
    assert View.read(tmp_path / "run").metrics() == []


def test_steps_of_an_earlier_session_that_were_not_asked_for_again_are_no_longer_part_of_the_run(tmp_path):
    for n in (3, 4):
        with Run.open(tmp_path / "run", config=CONFIG) as run:
            run.step("ask", {"n": n}, lambda: rows(n))  # noqa: B023
    assert View.read(tmp_path / "run").rows("ask") == rows(4)


def test_a_session_that_fails_early_forgets_no_step_that_was_done(tmp_path):
    with Run.open(tmp_path / "run", config=CONFIG) as run:
        run.step("ask", {}, rows)
        run.step("judge", {}, lambda: rows(2))
    with suppress(ZeroDivisionError), Run.open(tmp_path / "run", config=CONFIG) as run:
        run.step("ask", {}, never)
        raise ZeroDivisionError
    view = View.read(tmp_path / "run")
    assert view.manifest["status"] == "failed"
    assert view.rows("judge") == rows(2)


def test_reading_a_step_that_is_not_there_names_those_that_are(tmp_path):
    with Run.open(tmp_path / "run", config=CONFIG) as run:
        run.step("ask", {}, rows)
    with pytest.raises(UserError, match="no step 'answer'; expected one of ask"):
        View.read(tmp_path / "run").rows("answer")


def test_a_run_in_use_is_refused_and_a_dead_owner_holds_nobody_up(tmp_path):
    with Run.open(tmp_path / "run", config=CONFIG), pytest.raises(UserError, match=f"pid {os.getpid()} on"):
        Run.open(tmp_path / "run", config=CONFIG)
    code = (
        "import os, sys; from truenorth.engine import Run; "
        f"Run.open(sys.argv[1], config={CONFIG!r}); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path / "run"]).returncode == -9
    assert (
        json.loads((tmp_path / "run" / "lock").read_text())["pid"] != os.getpid()
    )  # its name is still there
    Run.open(tmp_path / "run", config=CONFIG).close()


def test_a_folder_with_other_files_is_never_taken_for_a_run(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for resume in (True, False):
        with pytest.raises(UserError, match=r"files of something else \(thesis.tex\)"):
            Run.open(tmp_path, config=CONFIG, resume=resume)
    assert (tmp_path / "thesis.tex").exists()


def test_what_opening_a_run_would_find_is_said_beforehand_and_touches_nothing(tmp_path):
    place = tmp_path / "new" / "run"
    assert foreseen(place, config=CONFIG) == str(place)
    assert list(tmp_path.iterdir()) == []
    with Run.open(place, config=CONFIG) as run:
        run.step("ask", 1, rows)
    before = sorted((p, p.stat().st_mtime_ns) for p in place.rglob("*"))
    assert foreseen(place, config=CONFIG) == f"{place}, going on with the 1 step done there"
    other = CONFIG | {"seed": 2}
    with pytest.raises(UserError, match=r"other settings \(seed: 1, now 2\)"):
        foreseen(place, config=other)
    assert "deleted first" in foreseen(place, config=other, resume=False)
    assert before == sorted((p, p.stat().st_mtime_ns) for p in place.rglob("*"))
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UserError, match="holds files of something else"):
        foreseen(tmp_path, config=CONFIG)
    with pytest.raises(UserError, match="not a folder"):
        foreseen(tmp_path / "notes.txt" / "run", config=CONFIG)


def test_a_file_in_the_place_of_the_run_is_refused(tmp_path):
    (tmp_path / "run").write_text("")
    for path in (tmp_path / "run", tmp_path / "run" / "below"):
        with pytest.raises(UserError, match="not a folder"):
            Run.open(path, config=CONFIG)


def test_the_manifest_says_what_ran_and_hides_secrets(tmp_path):
    config = CONFIG | {"api_key": "hunter2", "judge": {"url": "https://me:hunter2@host/v1?key=hunter2"}}
    argv = ["truenorth", "align", "--api-key", "hunter2", "--hf-token=hunter2", "--max-tokens", "64"]
    with Run.open(tmp_path / "run", config=config, constitution="hhh@1.0#ab", seeds=[1, 2], argv=argv) as run:
        run.step("ask", {}, rows)
    text = (tmp_path / "run" / "manifest.json").read_text()
    manifest = json.loads(text)
    assert "hunter2" not in text
    assert manifest["sessions"][0]["argv"][-2:] == ["--max-tokens", "64"]
    assert manifest["sessions"][0]["ended"]
    assert (manifest["status"], manifest["constitution"], manifest["seeds"]) == (
        "finished",
        "hhh@1.0#ab",
        [1, 2],
    )
    assert manifest["packages"]["numpy"] == __import__("numpy").__version__
    assert manifest["steps"] == [s.id for s in View.read(tmp_path / "run").steps]
    Run.open(tmp_path / "run", config=config | {"api_key": "rotated"}).close()  # a new key is the same run


def test_costs_are_measured_by_step(tmp_path):
    def work() -> list[Row]:
        block = bytearray(80 * 2**20)
        for i in range(0, len(block), 4096):
            block[i] = 1
        return rows()

    with Run.open(tmp_path / "run", config=CONFIG) as run:
        run.step("small", {}, rows)
        run.step("large", {}, work)
        costs = run.view().costs()
    assert costs["large"].peak_mib - costs["small"].peak_mib > 60
    assert costs["large"].wall_s > 0
    assert costs["large"].cpu_s >= 0


def test_what_a_kill_left_half_written_is_swept_when_the_run_is_opened_again(tmp_path):
    Run.open(tmp_path / "run", config=CONFIG).close()
    steps = tmp_path / "run" / "steps"
    (steps / "weights-0123456789ab.part").mkdir(parents=True)
    (steps / "weights-0123456789ab.part" / "w").write_text("half")
    (steps / ".ask-0123456789ab.parquet.x7").write_text("half")
    (tmp_path / "run" / ".manifest.json.x7").write_text("half")
    Run.open(tmp_path / "run", config=CONFIG).close()
    left = {path.name for path in (tmp_path / "run").rglob("*")}
    assert left == {"manifest.json", "metrics.jsonl", "lock", "steps"}
