"""The models that a merge names: folders, hub ids, and either with a LoRA; what is in them, before any weight."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from truenorth.base import UserError
from truenorth.edit import lora
from truenorth.edit.storage import Stored, header

INDEX = "model.safetensors.index.json"
EXPECTED = "a folder with config.json and *.safetensors, a peft folder, or a hub id"
SMALL = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken", "*.py")  # all but the weights


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


def open_model(reference: Reference, *, beside: Path | None = None, where: str = "") -> Model:
    """Look into a model: configuration and headers, no weights.

    Args:
        beside: a folder that relative paths may also start from (the configuration's own).

    Raises:
        UserError: missing, without safetensors, damaged, or an adapter that cannot be merged.
    """
    folder = _local(reference.path, beside)
    if folder is None:
        from truenorth.edit import hub

        own = hub.open_model(reference, where=where)
    elif lora.is_adapter(folder):
        return _adapted(folder, reference, beside, where)
    else:
        own = _open_folder(folder, reference, where)
    if reference.lora is None:
        return own
    return _with_adapter(own, _adapter_folder(reference, beside, where), str(reference))


def _adapted(folder: Path, reference: Reference, beside: Path | None, where: str) -> Model:
    """An adapter named alone: its base is the one it was trained on."""
    found = lora.adapter(folder)
    if not found.base:
        fix = "write base+adapter"
        raise UserError("this adapter does not say which base it is for", where=where or str(folder), fix=fix)
    start = _local(found.base, folder) is not None and not Path(found.base).is_dir()
    own = open_model(Reference(found.base), beside=folder if start else beside, where=where)
    return _with_adapter(own, found, str(reference))


def _with_adapter(own: Model, found: lora.Adapter, name: str) -> Model:
    for weight, delta in found.deltas.items():
        stored = own.tensors.get(weight)
        if stored is None or stored.shape != delta.shape:
            has = f"of shape {list(stored.shape)}" if stored else "not there"
            what = f"the adapter changes {weight} by a {list(delta.shape)}, which in the base is {has}"
            raise UserError(what, where=str(found.folder), fix="use the base it was trained on")
    return Model(name, own.folder, own.config, own.tensors, found, own.weights, own.reference)


def _adapter_folder(reference: Reference, beside: Path | None, where: str) -> lora.Adapter:
    assert reference.lora is not None
    folder = _local(reference.lora, beside)
    if folder is None:
        from truenorth.edit import hub

        folder = hub.fetch(Reference(reference.lora, reference.lora_revision), where=where)
    return lora.adapter(folder)


def _local(path: str, beside: Path | None) -> Path | None:
    """The folder, or None for a hub id (`name` or `owner/name` that is no folder here)."""
    for folder in [Path(path).expanduser(), *([beside / path] if beside else [])]:
        if folder.is_dir():
            return folder
    if path.startswith((".", "/", "~")) or path.count("/") > 1 or Path(path).exists():
        what = "not a folder" if Path(path).exists() else "no such folder"
        raise UserError(what, where=path, expected=EXPECTED)
    return None


def _open_folder(folder: Path, reference: Reference, where: str) -> Model:
    config = read_json(folder / "config.json", where=where)
    return Model(str(reference), folder, config, _headers(folder), reference=reference)


def _headers(folder: Path) -> dict[str, Stored]:
    """Every tensor of a folder's shards, checked against its index.

    Raises:
        UserError: no safetensors, a shard that is missing, or a tensor that its shard lacks.
    """
    if (folder / INDEX).is_file():
        places = read_json(folder / INDEX).get("weight_map", {})
        shards = {name: header(folder / name) for name in sorted(set(places.values()))}
        missing = [name for name, shard in places.items() if name not in shards[shard]]
        if missing:
            what = f"{missing[0]} is in the index but not in {places[missing[0]]}"
            raise UserError(what, where=str(folder), fix="fetch the model again")
        return {name: shards[shard][name] for name, shard in places.items()}
    files = sorted(folder.glob("*.safetensors"))
    if len(files) > 1 and folder / "model.safetensors" in files:
        files = [folder / "model.safetensors"]
    if not files:
        old = next(iter([*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.gguf")]), None)
        what = f"only {old.name}, which is not safetensors" if old else "no weights"
        fix = "save the model as safetensors" if old else ""
        raise UserError(what, where=str(folder), expected=EXPECTED, fix=fix)
    return {name: tensor for file in files for name, tensor in header(file).items()}


def read_json(file: Path, *, where: str = "") -> dict[str, Any]:
    """An object of a JSON file.

    Raises:
        UserError: no such file, or it holds something else.
    """
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"no {file.name} in it", where=str(file.parent), expected=EXPECTED) from error
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read ({error})", where=str(file)) from error
    if not isinstance(data, dict):
        raise UserError("not an object", where=str(file), expected="JSON")
    return data
