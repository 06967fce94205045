"""A run: a directory of content-addressed steps. Killed anywhere and started again, it ends the same."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import truenorth
from truenorth.base import UserError, content_hash
from truenorth.engine import lock
from truenorth.engine import manifest as manifests
from truenorth.engine.atomic import link_or_copy, storage_errors, sweep, whole_folder, write_whole
from truenorth.engine.cost import meter
from truenorth.engine.fingerprint import fingerprint
from truenorth.engine.journal import Journal
from truenorth.engine.parquet import to_parquet
from truenorth.engine.places import clear, continued, make_directory, refuse_foreign, refuse_full
from truenorth.engine.secrets import redact_argv
from truenorth.engine.view import Found, Receipt, View, content_of, read_receipt, read_step
from truenorth.records import Row

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


class Run:
    """A run directory at work. Open it with `Run.open`, as a context manager.

        RUN/manifest.json        versions, machine, settings, seeds, sessions, the steps in order
        RUN/steps/NAME-KEY.*     a step: .parquet (rows) or a folder (files), and .json, its receipt
        RUN/scratch/NAME-KEY/    what an unfinished step keeps for its own resume: checkpoints, journals
        RUN/metrics.jsonl        numbers over training, a line each

    >>> with Run.open("runs/demo", config={"seed": 1}) as run:              # doctest: +SKIP
    ...     prompts = run.step("prompts", {"seed": 1}, lambda: make_prompts(1))
    ...     folder = run.step_files("weights", {"rows": prompts}, lambda folder: train(prompts, folder))
    """

    def __init__(
        self,
        path: Path,
        handle: int,
        manifest: dict[str, Any],
        say: Callable[[str], None],
        others: Sequence[Path] = (),
    ):
        self.path = path
        self.manifest = manifest
        self._handle = handle
        self._say = say
        self._others = others
        self._metrics = Journal(path / "metrics.jsonl")
        self._seen = {_identity(line) for line in self._metrics.entries}
        self._visited: list[str] = []
        self._current: list[str] = []  # ids of the steps being made, innermost last
        self._counts: list[Counter[str]] = [Counter()]

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        config: Mapping[str, Any],
        resume: bool = True,
        constitution: str = "",
        seeds: Sequence[int] = (),
        argv: Sequence[str] | None = None,
        free_mib: float = 32.0,
        say: Callable[[str], None] | None = None,
        others: Sequence[Path] = (),
    ) -> Run:
        """Open a run directory for work: a new one, or one to go on with.

        Args:
            config: every setting that changes the result; secrets in it are neither stored nor compared.
            resume: go on with what is there. False starts afresh: what an earlier run left there is deleted.
            constitution: its label (name@version#hash), for the manifest.
            seeds: the seeds of the run, for the manifest.
            argv: the command line, for the manifest; secrets are removed. Default: this process's.
            free_mib: refuse to start with less free disk space than this, in MiB.
            say: where notices go (default: standard error).
            others: run directories whose finished steps are taken over, cost and all, where they were made from the
                same. Taken over means linked: deleting the other run takes nothing away.

        Raises:
            UserError: the directory cannot be written, is no run, is in use, or has other settings.
        """
        path = Path(path)
        with storage_errors(path):
            make_directory(path)
        refuse_foreign(path)
        refuse_full(path, free_mib)
        handle = lock.acquire(path / "lock")
        try:
            if not resume:
                clear(path)
            for folder in (path, path / "steps"):
                sweep(folder)
            fresh = manifests.describe(dict(config), constitution=constitution, seeds=list(seeds))
            manifest = continued(path, fresh) if resume else fresh
            words = redact_argv(manifests.command_line() if argv is None else argv)
            manifest["sessions"].append({"started": manifests.now(), "ended": None, "argv": words})
            manifest["status"] = "running"
            manifests.save(path / "manifest.json", manifest)
            told = say or (lambda text: print(text, file=sys.stderr, flush=True))
            return cls(path, handle, manifest, told, others)
        except BaseException:
            lock.release(handle)
            raise

    def step(self, name: str, inputs: Any, make: Callable[[], Iterable[Row]]) -> list[Row]:
        """The rows of a step: from disk if it has been done with these inputs, else made, written, read back.

        Args:
            name: lower case; steps of one name with other inputs are other steps.
            inputs: everything the rows depend on: settings, seeds, rows of earlier steps, files (`Path`).
            make: makes the rows. It must depend on `inputs` only.
        """
        step_id = self._begin(name, inputs)
        receipt = self._done(step_id)
        if receipt:
            self._visit(step_id)
            return read_step(self._steps, receipt)
        receipt = self._work(step_id, "rows", lambda: self._write_rows(step_id, list(make())))
        return read_step(self._steps, receipt)

    def step_files(self, name: str, inputs: Any, make: Callable[[Path], Any]) -> Path:
        """The folder of a step: as it is if done with these inputs, else filled by `make(folder)`.

        The folder that `make` gets is temporary; what must outlive a kill half-way belongs in `scratch()`.
        """
        step_id = self._begin(name, inputs)
        if self._done(step_id):
            self._visit(step_id)
        else:
            self._work(step_id, "files", lambda: self._write_folder(step_id, make))
        return self._steps / step_id

    def scratch(self) -> Path:
        """A folder of the step being made that outlives a kill and goes when the step is done: checkpoints.

        Write into it with `write_whole`, `whole_folder` or a `Journal`: a kill then leaves whole files only.

        Raises:
            RuntimeError: no step is being made.
            UserError: the folder cannot be made.
        """
        if not self._current:
            raise RuntimeError("scratch() is for use inside a step's make")
        folder = self.path / "scratch" / self._current[-1]
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        return folder

    def metrics(self, *, step: int, **numbers: float | int | str | None) -> None:
        """Add numbers of a training step to metrics.jsonl, under the name of the run's step being made.

        A line already there (same run step, training step and names) is kept: work that a resume does again
        adds no second line.
        """
        stage, _, key = (self._current[-1] if self._current else "").rpartition("-")
        line = {"stage": stage, "key": key, "step": step, **numbers}
        if _identity(line) not in self._seen:
            self._metrics.append(line)
            self._seen.add(_identity(line))

    def count(self, name: str, n: int = 1) -> None:
        """Count something that was lost or left out: "judge.errors", "sample.empty". Kept with the step, so a
        resumed run counts it once; `view().counts()` has the sums."""
        self._counts[-1][name] += n

    def publish(self, name: str, target: Path) -> Path:
        """Give a step's folder a plain name in the run: `model` -> steps/weights-KEY. A relative link."""
        link, temporary = self.path / name, self.path / f".{name}"
        with storage_errors(link):
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(os.path.relpath(target, self.path), target_is_directory=True)
            os.replace(temporary, link)
        return link

    def view(self) -> View:
        """The run so far, for reading: rows by step name, costs, counts, metrics."""
        return View(self.path, self.manifest)

    def find(self, row_id: str) -> Found | None:
        """The row with this id (or the only one whose id begins with it), and the name of its step."""
        return self.view().find(row_id)

    def close(self, status: Literal["finished", "failed", "interrupted"] = "finished") -> None:
        """Write down how it ended and give the lock back."""
        try:
            if status == "finished":
                self.manifest["steps"] = list(self._visited)
            self.manifest["status"] = status
            self.manifest["sessions"][-1]["ended"] = manifests.now()
            self._metrics.sync()
            manifests.save(self.path / "manifest.json", self.manifest)
        finally:
            self._metrics.close()
            lock.release(self._handle)

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            return self.close("finished")
        with suppress(UserError):  # the disk that failed the run fails its last words too; the first matters
            self.close("interrupted" if issubclass(kind, KeyboardInterrupt) else "failed")
        return None

    @property
    def _steps(self) -> Path:
        return self.path / "steps"

    def _begin(self, name: str, inputs: Any) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(f"step name {name!r}: expected lower-case letters, digits, '_', '-' and '.'")
        return f"{name}-{content_hash([name, truenorth.__version__, fingerprint(inputs)], 12)}"

    def _done(self, step_id: str) -> Receipt | None:
        """The receipt of a step that is here and whole, or that another run has."""
        here = read_receipt(self._steps, step_id)
        if here and self._intact(here, self._steps):
            return here
        for other in self._others:
            there = read_receipt(other / "steps", step_id)
            if there and self._intact(there, other / "steps"):
                _take_over(other / "steps", self._steps, there)
                return there
        return None

    def _intact(self, receipt: Receipt, steps: Path) -> bool:
        """Whether the step's output is what its receipt says. A damaged one is said, and made again."""
        path = steps / receipt.id
        if receipt.kind == "files":
            intact = path.is_dir() and _folder_content(path) == receipt.content
        else:
            rows = path.with_name(f"{path.name}.parquet")
            intact = rows.exists() and content_of(rows.read_bytes()) == receipt.content
        if not intact:
            self._say(f"{receipt.name}: {path} is missing or damaged; making it again")
        return intact

    def _work(
        self, step_id: str, kind: Literal["rows", "files"], write: Callable[[], tuple[str, int]]
    ) -> Receipt:
        self._current.append(step_id)
        self._counts.append(Counter())
        cost = meter()
        try:
            content, rows = write()
            name, _, key = step_id.rpartition("-")
            receipt = Receipt(name, key, kind, content, rows, cost(), dict(self._counts[-1]), manifests.now())
            self._metrics.sync()
            write_whole(self._steps / f"{step_id}.json", receipt.to_json())
        finally:
            self._current.pop()
            self._counts.pop()
        self._visit(step_id)
        return receipt

    def _write_rows(self, step_id: str, rows: list[Row]) -> tuple[str, int]:
        data = to_parquet(rows)
        write_whole(self._steps / f"{step_id}.parquet", data)
        return content_of(data), len(rows)

    def _write_folder(self, step_id: str, make: Callable[[Path], Any]) -> tuple[str, int]:
        with whole_folder(self._steps / step_id) as folder:
            make(folder)
        return _folder_content(self._steps / step_id), 0

    def _visit(self, step_id: str) -> None:
        shutil.rmtree(self.path / "scratch" / step_id, ignore_errors=True)
        if step_id not in self._visited:
            self._visited.append(step_id)
        if step_id not in self.manifest["steps"]:
            self.manifest["steps"].append(step_id)
            manifests.save(self.path / "manifest.json", self.manifest)


def _take_over(there: Path, here: Path, receipt: Receipt) -> None:
    """Link the output of another run's step (copy it across file systems), and write its receipt last."""
    if receipt.kind == "rows":
        write_whole(here / f"{receipt.id}.parquet", (there / f"{receipt.id}.parquet").read_bytes())
    else:
        with whole_folder(here / receipt.id) as folder:
            shutil.copytree(there / receipt.id, folder, copy_function=link_or_copy, dirs_exist_ok=True)
    write_whole(here / f"{receipt.id}.json", receipt.to_json())


def _identity(line: Mapping[str, Any]) -> tuple[Any, ...]:
    return (line.get("stage"), line.get("key"), line.get("step"), *sorted(line))


def _folder_content(folder: Path) -> str:
    """A hash of the names and sizes of a folder's files: cheap for gigabytes, enough for what kills do."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return content_hash({str(p.relative_to(folder)): p.stat().st_size for p in files})
