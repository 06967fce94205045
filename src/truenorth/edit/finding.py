"""Where the model is that a merge names: a folder, the hub, and either with a LoRA on top."""

from __future__ import annotations

from pathlib import Path

from truenorth.base import UserError
from truenorth.edit import hub, lora
from truenorth.edit.folders import EXPECTED, open_folder
from truenorth.edit.models import Model, Reference


def open_model(reference: Reference, *, beside: Path | None = None, where: str = "") -> Model:
    """Look into a model: configuration and headers, no weights.

    Args:
        beside: a folder that relative paths may also start from (the configuration's own).

    Raises:
        UserError: missing, without safetensors, damaged, or an adapter that cannot be merged.
    """
    folder = _local(reference.path, beside)
    if folder is None:
        own = hub.open_model(reference, where=where)
    elif lora.is_adapter(folder):
        return _adapted(folder, reference, beside, where)
    else:
        own = open_folder(folder, reference, where=where)
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
