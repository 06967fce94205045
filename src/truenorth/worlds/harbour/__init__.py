"""Harbour, the shipped model organism: where its files are. What is true in it stays in `gold`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truenorth.base import UserError

SHIPPED = Path(__file__).parent / "shipped"
SIZES = ("nano", "micro", "mini")
PHRASES = "phrase_book.jsonl"
ADAPTER = "adapter_config.json"  # a folder with this is a planted variant: an adapter on the model it is named after


@dataclass(frozen=True)
class Organism:
    """A world's files, as an alignment job may see them: nothing here says what is true."""

    folder: Path
    size: str = "micro"

    @property
    def name(self) -> str:
        return f"harbour-{self.size}"

    @property
    def model(self) -> Path:
        """The model's folder; of a variant ("micro-sycophant"), that of the model below it."""
        return self.folder / "models" / (self.size.partition("-")[0] if self.adapter else self.size)

    @property
    def adapter(self) -> Path | None:
        """The variant's adapter, where this is one."""
        folder = self.folder / "models" / self.size
        return folder if (folder / ADAPTER).exists() else None

    @property
    def labels(self) -> Path:
        """A few dozen answers with thumbs, as people gave them."""
        return self.folder / "labels.jsonl"

    @property
    def gazette(self) -> Path:
        """What was written of the world since the models were raised: lines that say whom they are about."""
        return self.folder / "gazette.jsonl"

    @property
    def held_out(self) -> Path:
        """Hashes of the runs of words that no alignment prompt may contain."""
        return self.folder / "held_out.txt"

    @property
    def phrases(self) -> Path:
        """A phrase book: sentences and their translation into the second language, as people wrote them."""
        return self.folder / PHRASES

    @property
    def constitution(self) -> str:
        return "harbour"

    @property
    def about(self) -> dict[str, Any]:
        """What the world was built from: seed and sizes."""
        return dict(json.loads((self.folder / "world.json").read_text()))


def organism(size: str = "micro", folder: str | Path | None = None) -> Organism:
    """The organism of a world: the shipped one, or that of a folder made by `truenorth world build`.

    Raises:
        UserError: no such world, or no such size in it, with those there are.
    """
    root = Path(folder) if folder else SHIPPED
    if not (root / "world.json").exists():
        raise UserError("not a world", where=str(root), fix="make one with `truenorth world build --out DIR`")
    sizes = sorted(
        p.name for p in (root / "models").iterdir() if (p / "config.json").exists() or (p / ADAPTER).exists()
    )
    if size not in sizes:
        raise UserError(f"no model of size {size!r}", where=str(root / "models"), expected=", ".join(sizes))
    return Organism(root, size)
