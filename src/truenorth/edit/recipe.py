"""What a merge is known by: written into its result, and compared before a folder is used again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import truenorth
from truenorth.base import UserError, content_hash, write_json
from truenorth.edit.folders import read_json
from truenorth.edit.plan import Plan
from truenorth.engine import write_point

RECIPE = "truenorth_merge.json"  # in the result: what was merged, from which files, how


def recipe_of(plan: Plan, seed: int) -> dict[str, Any]:
    """What was merged: the configuration, and of each model the files by name, size and time of writing."""
    files = {}
    for model in plan.models:
        stored = {tensor.file for tensor in model.tensors.values()}
        if model.adapter:
            stored |= {part.file for delta in model.adapter.deltas.values() for part in (delta.a, delta.b)}
        files[model.name] = [_identity(file) for file in sorted(stored)]
    shards = [[shard.file, [[s.name, s.dtype, list(s.shape)] for s in shard.steps]] for shard in plan.shards]
    return {
        "truenorth": truenorth.__version__,
        "method": plan.method.name,
        "configuration": plan.config.text,
        "models": files,
        "tokenizer_from": plan.vocabulary.source.name if plan.vocabulary else plan.donor.name,
        "seed": seed,
        "layout": content_hash(shards),
        "notes": list(plan.notes),
    }


def _identity(file: Path) -> list[Any]:
    if not file.exists():  # still on the hub
        return [file.name]
    state = file.stat()
    return [file.name, state.st_size, state.st_mtime_ns]


def check_free(out: Path) -> None:
    """Raise a UserError if the folder holds anything but a merge."""
    if out.exists() and not (out / RECIPE).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError("this already exists", where=str(out), fix="choose another folder, or remove it")


def is_done(out: Path, recipe: dict[str, Any]) -> bool:
    """Is this very merge there already?

    Raises:
        UserError: another one is.
    """
    if not (out / RECIPE).is_file():
        return False
    if read_json(out / RECIPE) == recipe:
        return True
    raise UserError("another merge already exists", where=str(out), fix="choose another folder, or remove it")


def begin(part: Path, recipe: dict[str, Any]) -> None:
    """The unfinished folder of this merge; of another one, emptied."""
    note = part / "plan.json"
    if part.exists() and not (note.is_file() and read_json(note) == recipe):
        shutil.rmtree(part)
    if not part.exists():
        part.mkdir(parents=True)
        write_point()
        write_json(note, recipe)
        write_point()
