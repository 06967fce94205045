"""Writes that survive a kill: whole files, whole folders, and the points at which tests kill the process.

Testing hook: with `TRUENORTH_KILL_AT=n` in the environment the process sends itself SIGKILL at its n-th write
point (before and after every write that a resumed run depends on). Without it the points do nothing.
"""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from truenorth.base import UserError, write_bytes

PART = ".part"  # a folder under construction; never read, swept when its run is next opened
_FIX = "free space, or choose another folder with --out"
_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO}
_reached = itertools.count(1)  # counts for the whole process, which is what dies


def write_point() -> None:
    """A moment at which a kill must do no harm. Call it before and after writing what a resume reads."""
    kill_at = os.environ.get("TRUENORTH_KILL_AT")
    if kill_at and next(_reached) == int(kill_at):
        os.kill(os.getpid(), signal.SIGKILL)


def write_whole(path: Path, data: bytes) -> Path:
    """Write a file that is whole or absent, even after a power cut.

    Raises:
        UserError: the folder cannot be written, or the disk is full.
    """
    write_point()
    write_bytes(path, data)
    _sync(path.parent)
    write_point()
    return path


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A temporary folder to fill, which takes the name `path` when the block ends without an error.

    Raises:
        UserError: the disk is full or cannot be written. Other errors travel; nothing is left behind.
    """
    part = path.with_name(path.name + PART)
    write_point()
    try:
        with storage_errors(path):
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            yield part
            for file in sorted(part.rglob("*")):
                _sync(file)
            write_point()
            shutil.rmtree(path, ignore_errors=True)
            part.rename(path)
            _sync(path.parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    write_point()


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn "disk full", "read only" and "no permission" into one readable error; let other errors travel.

    Raises:
        UserError: the disk is full, read only or not ours to write.
    """
    try:
        yield
    except _storage_exceptions() as error:
        if not _is_storage(error):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"cannot write ({reason})", where=str(path), fix=_FIX) from error


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """The file under another name as well; a copy of it across file systems, and where there are no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def sweep(folder: Path) -> None:
    """Remove what a killed process left half written in a folder."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name.endswith(PART):
            shutil.rmtree(path, ignore_errors=True)
        elif path.name.startswith(".") and path.is_file():  # the temporary files of base.write_bytes
            path.unlink()


def _storage_exceptions() -> tuple[type[BaseException], ...]:
    """OSError, and safetensors' own error where that library is in use (it does not raise OSError)."""
    safetensors = sys.modules.get("safetensors")
    return (OSError, safetensors.SafetensorError) if safetensors else (OSError,)


def _is_storage(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in _STORAGE
    return any(os.strerror(code) in str(error) for code in _STORAGE)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
