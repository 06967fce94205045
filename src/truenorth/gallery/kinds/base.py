"""The base model, as it is: what every other row is measured against."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from truenorth.gallery.making import Making
from truenorth.gallery.presets import Preset


def base(preset: Preset, making: Making, made: Mapping[str, Path], folder: Path) -> None:
    """Its files, copied."""
    for file in making.model.iterdir():
        shutil.copy(file, folder / file.name)
