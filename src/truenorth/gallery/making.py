"""What a kind is given to make a model with."""

from __future__ import annotations

from dataclasses import dataclass

from truenorth.gallery.stock import Stock


@dataclass(frozen=True)
class Making:
    """The shared data and the gallery's settings of training, with the seed of this cell."""

    stock: Stock
    seed: int
    steps: int
    batch: int
    lr: float
    keep: float = 3.0  # weight of the anchor on the model's own good answers
    documents: float = 1.0  # and on its own documents
