"""What a kind is given to make a model with, and how much of everything there is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from truenorth.gallery.stock import Stock, read_stock
from truenorth.recipes.settings import Settings

# A cell of nano takes about five seconds of one core, one of micro four times as much.
SETTINGS = Settings(prompts=600, held_prompts=0, steps=40, batch=8, items=50)
FAST = Settings(prompts=110, held_prompts=0, samples=5, steps=4, batch=4, items=6)


@dataclass(frozen=True)
class Making:
    """Where the base model and the shared data are, and the settings of training, with the seed of this cell."""

    model: Path
    data: Path
    settings: Settings

    @property
    def stock(self) -> Stock:
        """The shared data; read once a process, however many cells it works off."""
        return read_stock(self.data)
