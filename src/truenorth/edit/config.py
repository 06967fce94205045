"""What to merge, checked as far as it can be without looking at a model. `config_reader` reads it from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from truenorth.edit.models import Reference

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Input:
    """A model's part in a slice.

    Args:
        layers: from and up to (not including), or None for all.
        statistics: files of what methods want beside weights, by its name ("fisher").
    """

    model: Reference
    layers: tuple[int, int] | None = None
    parameters: Settings = field(default_factory=dict)
    statistics: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Slice:
    """Consecutive layers of the result, and the models they are made of."""

    inputs: tuple[Input, ...]
    base: Reference | None = None
    parameters: Settings = field(default_factory=dict)


@dataclass(frozen=True)
class Config:
    """A merge, checked as far as it can be without looking at a model.

    Args:
        dtype: what inputs are rounded to first; out_dtype: what is written (default: dtype, else the inputs').
        tokenizer: "base", "union" or a model's name; None: the base's, which must fit all.
        text, file: where it came from; lines: the line of each value.
        notes: what was read and not used.
    """

    method: str
    slices: tuple[Slice, ...]
    base: Reference | None = None
    whole: bool = True  # `models:`, every layer of each
    parameters: Settings = field(default_factory=dict)
    dtype: str | None = None
    out_dtype: str | None = None
    tokenizer: str | None = None
    chat_template: str | None = None
    text: str = ""
    file: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def where(self, path: str) -> str:
        """A place in the file, for errors: "merge.yaml, line 7, models[1].parameters"."""
        line = self.lines.get(path)
        place = [f"line {line}"] if line else []
        return ", ".join([self.file or "the configuration", *place, *([path] if path else [])])
