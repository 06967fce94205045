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
    """Carry out the merge, as `truenorth merge` would. Settings under `each` are those of every model."""
    own = dict(preset.settings)
    each = own.pop("each", {})
    models = [{"model": str(made[name]), "parameters": each} for name in preset.of]
    config = {"merge_method": preset.method, "models": models, "parameters": own, "dtype": "float32"}
    if method(preset.method, where=preset.name).base == "required":
        config["base_model"] = str(making.model)
    out = folder / "merged"
    merge(make_plan(parse(json.dumps(config))), out, seed=making.settings.seed, threads=1, quiet=True)
    for file in out.iterdir():
        shutil.move(file, folder / file.name)
    out.rmdir()
