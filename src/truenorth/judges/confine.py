"""Run the code of an answer in a process that can compute and nothing else. See `_jail` for what holds it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from truenorth.base import UserError

JAIL = Path(__file__).with_name("_jail.py")
ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "LC_ALL": "C.UTF-8",
}
End = Literal["done", "failed", "timeout", "killed"]


@dataclass(frozen=True)
class Limits:
    """What a run may use.

    Args:
        wall_s, cpu_s: seconds; a run that takes longer is killed.
        memory_mb: address space, Python's own included.
        output_bytes: written to standard output, and to standard error.
        packages: may it import installed packages (numpy)? Else the standard library only.
    """

    wall_s: float = 10.0
    cpu_s: int = 10
    memory_mb: int = 1024
    output_bytes: int = 1_000_000
    packages: bool = False


class Ran(NamedTuple):
    """How a run ended. replies: one a case, in order, as far as it came: {"value": repr}, {"error": what} or
    {"held": true}; nothing in them can be trusted but that the confined code produced it."""

    end: End
    stdout: str
    stderr: str
    replies: list[dict[str, Any]]


def run_confined(
    code: str,
    *,
    calls: Sequence[str] = (),
    asserts: Sequence[str] = (),
    stdin: str = "",
    limits: Limits | None = None,
) -> Ran:
    """Run `code`, then evaluate each expression of `calls`, then execute each statement of `asserts`.

    No network, no other processes, no files but Python's library to read and none to write, no environment.

    Raises:
        UserError: this machine cannot confine a process; nothing was run.
    """
    held = limits or Limits()
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        tempfile.TemporaryFile() as said,
    ):
        process = _start(folder, out, err, said, packages=held.packages)
        timed_out = _feed(process, _job(code, calls, asserts, stdin, held), held.wall_s)
        lines = _lines(said)
        printed, complained = (_text(file, held.output_bytes) for file in (out, err))
    if not lines or "confined" not in lines[0]:
        what = lines[0].get("cannot confine", "") if lines else complained.strip()[-200:]
        raise UserError(
            f"this machine cannot confine a process ({what}); nothing was run",
            where="running code",
            expected="Linux on x86-64 or arm64, with seccomp",
        )
    end = _end(timed_out=timed_out, done=bool(lines[-1].get("done")), status=process.returncode)
    return Ran(end, printed, complained, [line for line in lines[1:] if "done" not in line])


def _job(code: str, calls: Sequence[str], asserts: Sequence[str], stdin: str, held: Limits) -> bytes:
    """What the jail reads from its standard input."""
    limits = {
        "memory_mb": held.memory_mb,
        "cpu_s": held.cpu_s,
        "output_bytes": held.output_bytes,
        "readable": readable(packages=held.packages),
    }
    job = {"code": code, "calls": list(calls), "asserts": list(asserts), "stdin": stdin, "limits": limits}
    return json.dumps(job).encode()


def _start(folder: str, out: Any, err: Any, said: Any, *, packages: bool) -> subprocess.Popen[bytes]:
    """The jail, waiting for its job: in a session and an empty folder of its own, with an environment of ours."""
    flags = ["-I", "-B"] if packages else ["-I", "-B", "-S"]
    return subprocess.Popen(
        [sys.executable, *flags, "-c", STARTER, str(JAIL), str(said.fileno())],
        stdin=subprocess.PIPE,
        stdout=out,
        stderr=err,
        cwd=folder,
        env=ENVIRONMENT,
        pass_fds=[said.fileno()],
        start_new_session=True,
    )


def _feed(process: subprocess.Popen[bytes], job: bytes, wall_s: float) -> bool:
    """Hand over the job and wait for the end, killing what takes longer. Was it too long?"""
    try:
        process.communicate(job, timeout=wall_s)
    except subprocess.TimeoutExpired:
        return True
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
    return False


def _end(*, timed_out: bool, done: bool, status: int) -> End:
    if timed_out:
        return "timeout"
    if done:
        return "done"
    return "killed" if status < 0 else "failed"


# The jail's file is read before anything is locked; file 3 is where it answers.
STARTER = (
    "import os, sys; number = int(sys.argv[2]); os.dup2(number, 3) if number != 3 else None; "
    "number == 3 or os.close(number); source = open(sys.argv[1]).read(); sys.argv = ['jail']; "
    "exec(compile(source, 'jail', 'exec'), {'__name__': '__main__'})"
)


@lru_cache(maxsize=2)
def readable(*, packages: bool) -> list[str]:
    """Files and folders that the code may read: Python's library, and the installed packages if asked for."""
    paths = sysconfig.get_paths()
    names = ["stdlib", "platstdlib", *(["purelib", "platlib"] if packages else [])]
    found = {os.path.realpath(paths[name]) for name in names}
    system = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo"]
    library = sysconfig.get_config_var("LIBDIR")
    devices = ["/dev/null", "/dev/urandom"]
    return sorted(found) + [os.path.realpath(p) for p in [*system, *devices, *([library] if library else [])]]


def _lines(file: Any) -> list[dict[str, Any]]:
    """The replies; a line that was cut or forged into something else is left out."""
    file.seek(0)
    found = []
    for line in file.read(2**22).decode("utf-8", "replace").split("\n"):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def _text(file: Any, limit: int) -> str:
    file.seek(0)
    return file.read(limit).decode("utf-8", "replace")
