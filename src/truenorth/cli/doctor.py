"""Check this machine: Python, packages, accelerator, disk, the models inside."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import truenorth
from truenorth.cli import exits

Mark = Literal["ok", "note", "fault"]


class Finding(NamedTuple):
    """One thing looked at. Only a fault keeps truenorth from working here."""

    mark: Mark
    what: str
    said: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument(
        "--out", metavar="FOLDER", type=Path, default=Path("runs"), help="where runs will go (runs)"
    )


def run(args: argparse.Namespace) -> int:
    """Do what the command line says; returns the exit status."""
    faults = 0
    for finding in findings(args.out):
        faults += finding.mark == "fault"
        if not args.quiet or finding.mark == "fault":
            sign = {"ok": " ok  ", "note": "note ", "fault": "FAULT"}[finding.mark]
            print(f"{sign}  {finding.what:<13} {finding.said}", flush=True)
    print(f"{faults} fault{'s' * (faults != 1)} found" if faults else "ready")
    return exits.FAILED if faults else exits.OK


def findings(out: Path) -> Iterator[Finding]:
    """Look at everything, one after another; slow ones (torch) after quick ones."""
    yield python()
    yield from packages()
    yield disk(out)
    yield organism()
    yield from accelerator()


def python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    said = f"{version} at {sys.executable}" + ("" if good else "; 3.11 or later is needed")
    return Finding("ok" if good else "fault", "python", said)


def packages() -> Iterator[Finding]:
    """truenorth and what it stands on, with versions; what is missing is a fault."""
    from truenorth.engine import packages as installed

    found = installed()
    missing = [name for name, version in found.items() if version == "not installed"]
    shown = ", ".join(f"{name} {version}" for name, version in found.items())
    yield Finding("ok", "truenorth", f"{truenorth.__version__} at {Path(truenorth.__file__).parent}")
    if missing:
        yield Finding("fault", "packages", f"missing: {', '.join(missing)}; pip install truenorth")
    else:
        yield Finding("ok", "packages", shown)


def disk(out: Path) -> Finding:
    """Whether results can be written there, and how much room is left."""
    there = next(p for p in (out, *out.absolute().parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return Finding("fault", "disk", f"cannot write to {there} ({error.strerror})")
    free_mib = shutil.disk_usage(there).free / 2**20
    said = f"{free_mib / 1024:.1f} GiB free at {there}"
    return Finding("ok" if free_mib > 1024 else "note" if free_mib > 100 else "fault", "disk", said)


def organism() -> Finding:
    """Whether the shipped models are there and can be opened; their weights are not loaded."""
    from safetensors import SafetensorError, safe_open

    folder = Path(truenorth.__file__).parent / "worlds"
    models = sorted(folder.rglob("*.safetensors"))
    sizes = []
    for path in models:
        try:
            with safe_open(path, "numpy") as file:
                count = len(file.keys())
        except (OSError, SafetensorError) as error:
            return Finding("fault", "organism", f"{path} is damaged ({error}); install truenorth again")
        sizes.append(f"{path.parent.name} ({count} tensors, {path.stat().st_size / 2**20:.1f} MiB)")
    if not models:
        return Finding("fault", "organism", f"no models below {folder}; install truenorth again")
    return Finding("ok", "organism", ", ".join(sizes))


def accelerator() -> Iterator[Finding]:
    """torch, its threads, and the GPU where there is one."""
    if importlib.util.find_spec("torch") is None:
        yield Finding("fault", "torch", "not installed; pip install torch")
        return
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = torch.get_num_threads()
    said = f"{torch.__version__}, {threads} threads on {cores} cores"
    yield Finding("ok" if threads <= cores else "note", "torch", said)
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            card = torch.cuda.get_device_properties(index)
            yield Finding("ok", "gpu", f"{card.name}, {card.total_memory / 2**30:.0f} GiB")
    elif torch.backends.mps.is_available():
        yield Finding("ok", "gpu", "Apple Metal")
    else:
        yield Finding("note", "gpu", "none; the organism needs none")
