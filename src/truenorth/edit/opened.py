"""The models of a merge, each opened once, and what came up while looking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from truenorth.edit.config import Config
from truenorth.edit.finding import open_model
from truenorth.edit.models import Model, Part
from truenorth.edit.storage import Stored, header
from truenorth.edit.vocabulary import alignment


class Opened:
    """Each model, opened once, and what came up while looking."""

    def __init__(self, config: Config):
        self._beside = Path(config.file).parent if config.file else None
        self._models: dict[str, Model] = {}
        self._headers: dict[Path, dict[str, Stored]] = {}
        self.notes: list[str] = []
        for part in config.slices:
            for entry in part.inputs:
                self(entry.model)
        if config.base:
            self(config.base)
        self.vocabulary = alignment(config, self, self._beside)

    def __call__(self, reference: Any) -> Model:
        key = str(reference)
        if key not in self._models:
            self._models[key] = open_model(reference, beside=self._beside)
        return self._models[key]

    @property
    def models(self) -> tuple[Model, ...]:
        """In the order in which they are named."""
        return tuple(self._models.values())

    def part(self, reference: Any, name: str) -> Part | None:
        """A tensor of a model, its rows in the result's vocabulary where that is another one."""
        found = self(reference).part(name)
        if found is None or self.vocabulary is None:
            return found
        return self.vocabulary.aligned(self(reference), name, found)

    def statistic(self, file: str, name: str) -> Stored | None:
        """What a file of statistics holds under a weight's name; the file may stand beside the configuration."""
        path = Path(file)
        if not path.exists() and self._beside:
            path = self._beside / file
        if path not in self._headers:
            self._headers[path] = header(path)
        return self._headers[path].get(name)
