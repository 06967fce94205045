"""Where a run may be: a directory that is new, or that holds a run with the same settings, and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from truenorth.base import UserError
from truenorth.engine import lock
from truenorth.engine import manifest as manifests
from truenorth.engine.atomic import storage_errors


def foreseen(path: str | Path, *, config: Mapping[str, Any], resume: bool = True) -> str:
    """What `Run.open` would find there, in words; nothing is touched.

    Raises:
        UserError: it would refuse: the directory cannot be written, is no run, or has other settings.
    """
    path = Path(path)
    there = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    if not there.is_dir():
        raise UserError("not a folder", where=str(there), fix="choose another folder with --out")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError("cannot write there", where=str(there), fix="choose another folder with --out")
    if not path.is_dir():
        return str(path)
    refuse_foreign(path)
    if not (path / "manifest.json").exists():
        return str(path)
    if not resume:
        return f"{path}, where what an earlier run left is deleted first"
    done = len(continued(path, manifests.describe(dict(config), constitution="", seeds=[]))["steps"])
    return f"{path}, going on with the {done} step{'s' * (done != 1)} done there"


def make_directory(path: Path) -> None:
    """Make it, where it is not there. Raises UserError where something else is in its way."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError("not a folder", where=str(path), fix="choose another folder with --out") from error


def refuse_foreign(path: Path) -> None:
    """A folder with other people's files is not a run: nothing there may be overwritten or deleted.

    Raises:
        UserError: this is one.
    """
    others = sorted(p.name for p in path.iterdir() if p.name != "lock" and not p.name.startswith("."))
    if others and not (path / "manifest.json").exists():
        some = ", ".join(others[:3])
        raise UserError(
            f"holds files of something else ({some})", where=str(path), fix="choose another folder"
        )


def refuse_full(path: Path, free_mib: float) -> None:
    """Raises UserError where less than `free_mib` MiB are left."""
    free = shutil.disk_usage(path).free / 2**20
    if free < free_mib:
        raise UserError(
            f"only {free:.0f} MiB of disk left", where=str(path), expected=f"at least {free_mib:.0f} MiB"
        )


def clear(path: Path) -> None:
    """Delete what a run wrote, and nothing else. The manifest stays until the new one takes its place."""
    with storage_errors(path):
        for folder in ("steps", "scratch"):
            shutil.rmtree(path / folder, ignore_errors=True)
        for file in ("metrics.jsonl", "report.html", "report.json"):
            (path / file).unlink(missing_ok=True)


def forget(path: str | Path) -> None:
    """Delete what a run made in its directory, as opening it without `resume` does; its manifest stays until then.

    Raises:
        UserError: the directory is no run, or is in use.
    """
    path = Path(path)
    refuse_foreign(path)
    handle = lock.acquire(path / "lock")
    try:
        clear(path)
    finally:
        lock.release(handle)


def continued(path: Path, fresh: dict[str, Any]) -> dict[str, Any]:
    """The manifest to go on with: the one on disk, brought up to date, or the fresh one.

    Raises:
        UserError: the one on disk is of other settings.
    """
    if not (path / "manifest.json").exists():
        return fresh
    old = manifests.load(path / "manifest.json")
    if old["config_hash"] != fresh["config_hash"]:
        changed = "; ".join(manifests.differences(old["config"], fresh["config"]))
        raise UserError(
            f"was started with other settings ({changed})",
            where=str(path),
            fix="choose another folder with --out, or --fresh to start it again",
        )
    return fresh | {"sessions": old["sessions"], "steps": old["steps"]}
