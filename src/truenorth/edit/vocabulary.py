"""Models with different vocabularies: each embedding's rows in the order of the result's tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from truenorth.base import UserError
from truenorth.edit.config import Config
from truenorth.edit.models import Model, Part, Reference, Rows, embedding_of, is_head

FILE = "tokenizer.json"


@dataclass(frozen=True)
class Alignment:
    """The result's vocabulary and how each model's rows become its rows.

    Args:
        tokens: the result's, token -> id.
        source: the model whose tokenizer files the result gets.
        added: tokens that are added to that tokenizer (union).
    """

    tokens: Mapping[str, int]
    vocabularies: Mapping[str, Mapping[str, int]]
    models: Sequence[Model]
    base: str | None
    source: Model
    added: tuple[str, ...]
    made: dict[tuple[str, str], Part] = field(default_factory=dict)

    def aligned(self, model: Model, name: str, part: Part) -> Part:
        """A model's embedding or head in the result's vocabulary; any other tensor as it is."""
        if not (is_head(name) or name == embedding_of([name])):
            return part
        key = (model.name, name)
        if key not in self.made:
            parts = {other.name: other.part(name) for other in self.models}
            self.made[key] = Part(part.stored, None, self._rows(model, {k: p for k, p in parts.items() if p}))
        return self.made[key]

    def _rows(self, model: Model, parts: Mapping[str, Part]) -> tuple[Rows, ...]:
        """Its own row where it has the token; else the base's; else the mean of those that have it; else zeros."""
        size = max(self.tokens.values()) + 1
        index = {name: np.zeros(size, np.int64) for name in parts}
        weight = {name: np.zeros(size, np.float32) for name in parts}
        for token, place in self.tokens.items():
            having = {
                name: row
                for name, part in parts.items()
                if (row := self.vocabularies[name].get(token, -1)) >= 0 and row < part.stored.shape[0]
            }
            if model.name in having:
                having = {model.name: having[model.name]}
            elif self.base in having:
                having = {self.base: having[self.base]}
            for name, row in having.items():
                index[name][place], weight[name][place] = row, 1 / len(having)
        return tuple(Rows(parts[n], index[n], weight[n]) for n in parts if weight[n].any())


def alignment(config: Config, opened: Callable[[Reference], Model], beside: Path | None) -> Alignment | None:
    """What `tokenizer_source` asks for; None where nothing is asked, or all vocabularies are the same.

    Raises:
        UserError: a model without tokenizer.json, which is what can be compared.
    """
    if config.tokenizer is None:
        return None
    where = config.where("tokenizer_source")
    references = [entry.model for part in config.slices for entry in part.inputs]
    references += [config.base] if config.base else []
    models = list({str(reference): opened(reference) for reference in references}.values())
    base = opened(config.base) if config.base else None
    if config.tokenizer in ("base", "union"):
        source = base or models[0]
    else:
        source = opened(Reference.parse(config.tokenizer, where=where))
    vocabularies = {model.name: vocabulary(model, where) for model in [*models, source]}
    tokens = dict(vocabularies[source.name])
    added: tuple[str, ...] = ()
    if config.tokenizer == "union":
        new = {token for model in models for token in vocabularies[model.name] if token not in tokens}
        order = [
            t
            for model in models
            for t in sorted(vocabularies[model.name], key=vocabularies[model.name].__getitem__)
        ]
        added = tuple(dict.fromkeys(token for token in order if token in new))
        tokens |= {token: max(tokens.values()) + 1 + i for i, token in enumerate(added)}
    if all(dict(vocabularies[model.name]) == tokens for model in models) and not _padded(models, tokens):
        return None
    return Alignment(tokens, vocabularies, models, base.name if base else None, source, added)


def _padded(models: Sequence[Model], tokens: Mapping[str, int]) -> bool:
    """Do embeddings of several lengths (padding) stand behind one vocabulary?"""
    rows = set()
    for model in models:
        name = embedding_of(model.tensors)
        if name:
            rows.add(model.tensors[name].shape[0])
    return len(rows) > 1


def vocabulary(model: Model, where: str = "") -> dict[str, int]:
    """Token -> id of a model's tokenizer.json, added tokens included.

    Raises:
        UserError: it has none, or of a kind whose vocabulary is not a list or mapping.
    """
    try:
        data = json.loads((model.folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        fix = "leave tokenizer_source out if all models have the same tokenizer"
        raise UserError(f"{model.name} has no {FILE} that can be read", where=where, fix=fix) from error
    tokens: Any = data.get("model", {}).get("vocab", {})
    if isinstance(tokens, list):  # unigram: [piece, score]
        tokens = {piece: i for i, (piece, _) in enumerate(tokens)}
    return dict(tokens) | {added["content"]: added["id"] for added in data.get("added_tokens", ())}
