"""A head on what a model reads, as two files: its arrays (safetensors), and what it was fitted on (JSON)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from truenorth.base import UserError, write_bytes, write_json
from truenorth.judges._head import Floats

if TYPE_CHECKING:
    from truenorth.models.local import LocalModel


class Saved(NamedTuple):
    """What the files hold. `told` has at least the `name` of the head and of the `model` that it was fitted on."""

    told: dict[str, Any]
    arrays: dict[str, Floats]


def save_head(folder: str | Path, stem: str, told: Mapping[str, Any], arrays: Mapping[str, Floats]) -> Path:
    """Write `stem`.safetensors and then `stem`.json, and return the folder."""
    from safetensors.numpy import save

    write_bytes(Path(folder) / f"{stem}.safetensors", save(dict(arrays)))
    return write_json(Path(folder) / f"{stem}.json", told).parent


def read_head(folder: str | Path, stem: str) -> Saved:
    """What `save_head` wrote.

    Raises:
        UserError: a file is missing or cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        told = json.loads((Path(folder) / f"{stem}.json").read_text(encoding="utf-8"))
        arrays = load_file(Path(folder) / f"{stem}.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"cannot read the head ({error})", where=str(folder), fix="fit it again") from error
    return Saved(told, arrays)


def check_model(saved: Saved, model: LocalModel, folder: str | Path) -> None:
    """Raises UserError where the head was fitted on another model."""
    if model.name != saved.told["model"]:
        what = f"the head was fitted on {saved.told['model']}, not on {model.name}"
        raise UserError(what, where=str(folder), fix="fit it again, or pass that model")
