"""One process at a time in a run directory; the lock of a dead process holds nobody up."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from pathlib import Path

from truenorth.base import UserError
from truenorth.engine.atomic import storage_errors


def acquire(path: Path) -> int:
    """Take the lock file and write who holds it into it; returns the handle to give to `release`.

    The kernel drops the lock when its process ends in whatever way, so a killed run leaves nothing stale.

    Raises:
        UserError: a living process holds it (with its pid, machine and start), or it cannot be written.
    """
    with storage_errors(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = _holder(os.read(handle, 1000))
        os.close(handle)
        raise UserError(
            f"another process is using this run ({holder})",
            where=str(path.parent),
            fix="wait for it, or stop it",
        ) from error
    who = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    with storage_errors(path):
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(who).encode(), 0)
    return handle


def release(handle: int) -> None:
    """Give the lock back. The empty file stays: removing it would race with the next process."""
    os.ftruncate(handle, 0)
    os.close(handle)


def _holder(text: bytes) -> str:
    try:
        who = json.loads(text)
    except ValueError:  # it has taken the lock and not yet written its name
        return "just started"
    return f"pid {who['pid']} on {who['host']}, since {who['since']}"
