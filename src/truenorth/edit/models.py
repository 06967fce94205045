"""A model as a merge names it, and what is in it: names, shapes and places, before any weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from truenorth.base import UserError
from truenorth.edit import lora
from truenorth.edit.storage import Stored


class Reference(NamedTuple):
    """A model as a configuration names it: `path[@revision][+lora[@revision]]`."""

    path: str
    revision: str | None = None
    lora: str | None = None
    lora_revision: str | None = None

    @classmethod
    def parse(cls, text: str, *, where: str = "") -> Reference:
        """Read `owner/name@revision+path/to/lora`.

        Raises:
            UserError: more than one + or @.
        """
        parts = [part.split("@") for part in text.split("+")]
        if len(parts) > 2 or any(len(part) > 2 or not part[0] for part in parts):
            raise UserError(f"cannot read the model {text!r}", where=where, expected="path[@revision][+lora]")
        (path, revision), adapter = _two(parts[0]), _two(parts[1]) if len(parts) == 2 else (None, None)
        assert path is not None
        return cls(path, revision, *adapter)

    def __str__(self) -> str:
        def told(path: str, revision: str | None) -> str:
            return f"{path}@{revision}" if revision else path

        own = told(self.path, self.revision)
        return own + (f"+{told(self.lora, self.lora_revision)}" if self.lora else "")


def _two(part: list[str]) -> tuple[str | None, str | None]:
    return part[0], part[1] if len(part) == 2 else None


class Rows(NamedTuple):
    """Rows of some model's tensor that make rows of another vocabulary: index[i], taken weight[i] times."""

    part: Any  # the Part they are rows of
    index: Any  # (rows of the result,) integers
    weight: Any  # (rows of the result,) float32, 0: not used there


class Part(NamedTuple):
    """One tensor of one model: what is stored, a LoRA update on top, or a mixture of rows instead."""

    stored: Stored
    delta: lora.Delta | None = None
    rows: tuple[Rows, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows[0].index), *self.stored.shape[1:]) if self.rows else self.stored.shape


@dataclass(frozen=True)
class Model:
    """A model's names, shapes and places; opening it reads headers only.

    Args:
        name: as the configuration wrote it.
        folder: where its small files (configuration, tokenizer) are.
        weights: fetched? (A hub model's headers are known before its weights are here.)
    """

    name: str
    folder: Path
    config: Mapping[str, Any]
    tensors: Mapping[str, Stored]
    adapter: lora.Adapter | None = None
    weights: bool = True
    reference: Reference = field(default=Reference(""))

    def part(self, name: str) -> Part | None:
        """A tensor by name; a head that is not stored because it is tied is its embedding; else None."""
        stored = (self.adapter.whole.get(name) if self.adapter else None) or self.tensors.get(name)
        if stored is None:
            alias = self._tied_to(name)
            return self.part(alias) if alias else None
        return Part(stored, self.adapter.deltas.get(name) if self.adapter else None)

    def _tied_to(self, name: str) -> str | None:
        """The embedding that a head which is not stored shares, unless the configuration says it does not."""
        says = self.config.get(
            "tie_word_embeddings", (self.config.get("text_config") or {}).get("tie_word_embeddings")
        )
        if says is False or not is_head(name):
            return None
        return embedding_of(self.tensors)


def is_head(name: str) -> bool:
    """The matrix that makes logits, by the names transformers gives it."""
    return name.endswith(("lm_head.weight", "embed_out.weight"))


def embedding_of(names: Any) -> str | None:
    """The name of the token embedding among tensor names."""
    for ending in ("embed_tokens.weight", "wte.weight", "word_embeddings.weight", "embed_in.weight",
                   "tok_embeddings.weight", "embeddings.weight"):  # fmt: skip
        for name in names:
            if name.endswith(ending):
                return name
    return None
