"""A model's folder: its configuration, and the headers of its shards; no weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from truenorth.base import UserError
from truenorth.edit.models import Model, Reference
from truenorth.edit.storage import Stored, header

INDEX = "model.safetensors.index.json"
EXPECTED = "a folder with config.json and *.safetensors, a peft folder, or a hub id"
SMALL = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken", "*.py")  # all but the weights


def open_folder(folder: Path, reference: Reference, *, where: str = "") -> Model:
    """Look into a folder that is here.

    Raises:
        UserError: no configuration, no safetensors, or shards that are missing or damaged.
    """
    config = read_json(folder / "config.json", where=where)
    return Model(str(reference), folder, config, _headers(folder), reference=reference)


def _headers(folder: Path) -> dict[str, Stored]:
    """Every tensor of a folder's shards, checked against its index.

    Raises:
        UserError: no safetensors, a shard that is missing, or a tensor that its shard lacks.
    """
    if (folder / INDEX).is_file():
        places = read_json(folder / INDEX).get("weight_map", {})
        shards = {name: header(folder / name) for name in sorted(set(places.values()))}
        missing = [name for name, shard in places.items() if name not in shards[shard]]
        if missing:
            what = f"{missing[0]} is in the index but not in {places[missing[0]]}"
            raise UserError(what, where=str(folder), fix="fetch the model again")
        return {name: shards[shard][name] for name, shard in places.items()}
    files = sorted(folder.glob("*.safetensors"))
    if len(files) > 1 and folder / "model.safetensors" in files:
        files = [folder / "model.safetensors"]
    if not files:
        old = next(iter([*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.gguf")]), None)
        what = f"only {old.name}, which is not safetensors" if old else "no weights"
        fix = "save the model as safetensors" if old else ""
        raise UserError(what, where=str(folder), expected=EXPECTED, fix=fix)
    return {name: tensor for file in files for name, tensor in header(file).items()}


def read_json(file: Path, *, where: str = "") -> dict[str, Any]:
    """An object of a JSON file.

    Raises:
        UserError: no such file, or it holds something else.
    """
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"no {file.name} in it", where=str(file.parent), expected=EXPECTED) from error
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read ({error})", where=str(file)) from error
    if not isinstance(data, dict):
        raise UserError("not an object", where=str(file), expected="JSON")
    return data
