"""Full disks, size limits and read-only folders: one message, before work starts where it can be known."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from truenorth.base import UserError
from truenorth.engine import Run, link_or_copy
from truenorth.records import Row, Source

BIG = "x" * (3 * 2**20)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB; skipped where one may not be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs leave to mount")
    yield folder
    subprocess.run(["umount", folder], check=True)


def noise_rows() -> list[Row]:
    return [Row({"prompt": os.urandom(2**20).hex()}, Source("noise")) for _ in range(3)]


def test_a_disk_that_is_nearly_full_is_refused_before_work_starts(small_disk):
    with pytest.raises(UserError, match=r"only \d MiB of disk left; expected at least 32 MiB"):
        Run.open(small_disk / "run", config={})


def test_a_disk_that_fills_up_fails_rows_and_files_with_one_message_and_leaves_no_half_files(small_disk):
    run = Run.open(small_disk / "run", config={}, free_mib=0)
    with pytest.raises(UserError, match=r"cannot write \(No space left on device"):
        run.step("noise", {}, noise_rows)
    with pytest.raises(UserError, match=r"cannot write \(No space left on device"):
        run.step_files("weights", {}, lambda folder: (folder / "w").write_text(BIG))
    assert sorted(p.name for p in (small_disk / "run" / "steps").iterdir()) == []
    assert run.step("few", {}, lambda: [Row({"prompt": "hi"}, Source("me"))])
    run.close()


def test_safetensors_on_a_full_disk_is_the_same_message(small_disk):
    import numpy as np
    from safetensors.numpy import save_file

    run = Run.open(small_disk / "run", config={}, free_mib=0)
    with pytest.raises(UserError, match="No space left on device"):
        run.step_files("weights", {}, lambda f: save_file({"w": np.ones(2**20)}, f / "model.safetensors"))
    run.close()


def test_metrics_on_a_full_disk_leave_no_torn_line(small_disk):
    run = Run.open(small_disk / "run", config={}, free_mib=0)
    run.metrics(step=0, note="short")
    with pytest.raises(UserError, match="No space left on device"):
        run.metrics(step=1, note=BIG)
    run.metrics(step=2, note="short")
    run.close("failed")
    assert [line["step"] for line in run.view().metrics()] == [0, 2]


def test_a_run_that_failed_for_want_of_space_ends_with_that_message_and_no_other(small_disk):
    def fill(run: Run) -> list[Row]:
        with suppress(OSError), (small_disk / "fill").open("wb") as file:
            while True:
                file.write(b"x" * 4096)
        return [Row({"prompt": "hi"}, Source("me"))]

    with (
        pytest.raises(UserError, match="steps/few"),
        Run.open(small_disk / "run", config={}, free_mib=0) as run,
    ):
        run.step("few", {}, lambda: fill(run))


def test_a_read_only_folder_is_refused_before_work_starts(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(UserError, match=r"cannot write \(Read-only file system"):
        Run.open(small_disk / "run", config={})


def test_a_file_size_limit_is_the_same_kind_of_message(tmp_path):
    code = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from truenorth.base import UserError
from truenorth.engine import Run, link_or_copy
run = Run.open(sys.argv[1], config={})
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for call in (
    lambda: run.step_files("w", {}, lambda folder: (folder / "w").write_text("x" * 10_000)),
    lambda: [run.metrics(step=i, note="x" * 1000) for i in range(9)],
):
    try:
        call()
    except UserError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "run"], capture_output=True, text=True)
    assert done.stdout.count("cannot write (File too large)") == 2, done.stderr
    assert (tmp_path / "run" / "metrics.jsonl").read_text().endswith("}\n")


def test_errors_of_the_work_itself_are_not_taken_for_errors_of_the_disk(tmp_path):
    with Run.open(tmp_path / "run", config={}) as run, pytest.raises(FileNotFoundError):
        run.step_files("weights", {}, lambda folder: (folder / "no" / "such").write_text("x"))


def test_a_file_is_copied_where_there_are_no_links(tmp_path, monkeypatch):
    (tmp_path / "weights").write_bytes(b"w")
    link_or_copy(tmp_path / "weights", tmp_path / "linked")
    assert (tmp_path / "linked").samefile(tmp_path / "weights")

    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    link_or_copy(tmp_path / "weights", tmp_path / "copied")
    assert (tmp_path / "copied").read_bytes() == b"w"
    assert not (tmp_path / "copied").samefile(tmp_path / "weights")
