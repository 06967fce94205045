"""Editing weights of models that other rows made: merges, soups, extrapolation."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from truenorth.edit import make_plan, merge, parse
from truenorth.edit.method import method
from truenorth.gallery.making import Making
from truenorth.gallery.presets import Preset


def edit(preset: Preset, making: Making, made: Mapping[str, Path], folder: Path) -> None:
    """Carry out the merge, as `truenorth merge` would. Settings under `each` are those of every model, or a list."""
    shared = dict(preset.settings)
    each = shared.pop("each", {})
    given = each if isinstance(each, list) else [each] * len(preset.of)
    models = [
        {"model": str(made[name]), "parameters": own} for name, own in zip(preset.of, given, strict=True)
    ]
    config = {"merge_method": preset.method, "models": models, "parameters": shared, "dtype": "float32"}
    if method(preset.method, where=preset.name).base == "required":
        config["base_model"] = str(making.model)
    out = folder / "merged"
    merge(make_plan(parse(json.dumps(config))), out, seed=making.settings.seed, threads=1, quiet=True)
    for file in out.iterdir():
        shutil.move(file, folder / file.name)
    out.rmdir()
