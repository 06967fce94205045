"""manifest.json: what ran, on what, with which settings, so that somebody else could run it again."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import sys
import time
from pathlib import Path
from typing import Any

import truenorth
from truenorth.base import UserError, content_hash, json_text
from truenorth.engine.atomic import write_whole
from truenorth.engine.secrets import redact

VERSION = 1  # of the layout of a run directory


def describe(config: dict[str, Any], *, constitution: str, seeds: list[int]) -> dict[str, Any]:
    """The manifest of a run that is about to start, without secrets."""
    return {
        "layout": VERSION,
        "truenorth": truenorth.__version__,
        "config": plain(config),
        "config_hash": content_hash(plain(config)),
        "constitution": constitution,
        "seeds": seeds,
        "machine": machine(),
        "packages": packages(),
        "status": "running",
        "sessions": [],
        "steps": [],
    }


def machine() -> dict[str, Any]:
    """The interpreter, system and processors of this machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.machine(),
        "cores": cores,
    }


def packages() -> dict[str, str]:
    """The installed versions of truenorth's dependencies, by name."""
    required = importlib.metadata.requires("truenorth") or []
    names = sorted({re.split(r"[^A-Za-z0-9_.-]", line)[0] for line in required if "extra ==" not in line})
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def plain(config: dict[str, Any]) -> dict[str, Any]:
    """The settings as JSON says them, without secrets: what is stored and what two runs are compared by."""
    return json.loads(json.dumps(redact(config), default=str))


def differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """What changed between two settings, one line each: `lr: 0.001, now 0.01`."""
    lines = []
    for key in dict.fromkeys([*old, *new]):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            lines += differences(before, after, f"{prefix}{key}.")
        elif before != after:
            lines.append(f"{prefix}{key}: {_short(before)}, now {_short(after)}")
    return lines


def load(path: Path) -> dict[str, Any]:
    """A manifest from disk.

    Raises:
        UserError: missing, or not the manifest of a run that this version can read.
    """
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError("not a run (no manifest.json)", where=str(path.parent)) from error
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read ({error})", where=str(path), fix="start afresh with --fresh") from error
    if not isinstance(manifest, dict) or manifest.get("layout") != VERSION:
        raise UserError(
            "written by another version of truenorth", where=str(path), expected=f"layout {VERSION}"
        )
    return manifest


def save(path: Path, manifest: dict[str, Any]) -> None:
    write_whole(path, (json_text(manifest, indent=2) + "\n").encode())


def now() -> str:
    """The time with its zone, to the second: 2026-01-31T12:00:00+0000."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def command_line() -> list[str]:
    return [Path(sys.argv[0]).name, *sys.argv[1:]]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
