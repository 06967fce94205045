"""Models by hub id: headers and small files first, so that a merge is checked before weights are downloaded."""

from __future__ import annotations

from pathlib import Path

from truenorth.base import UserError
from truenorth.edit.folders import SMALL, open_folder, read_json
from truenorth.edit.models import Model, Reference
from truenorth.edit.storage import Stored, stored

FIX = "check the id and your connection, or give a folder"


def open_model(reference: Reference, *, where: str = "") -> Model:
    """A model of the hub: its configuration, tokenizer and headers; weights only if they are here already.

    Raises:
        UserError: no such model, no connection, or no safetensors in it.
    """
    from huggingface_hub import get_safetensors_metadata, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, NotASafetensorsRepoError, SafetensorsParsingError

    own = Reference(reference.path, reference.revision)
    here = _cached(own)
    if here is not None:
        return here
    try:
        folder = Path(snapshot_download(own.path, revision=own.revision, allow_patterns=list(SMALL)))
        metadata = get_safetensors_metadata(own.path, revision=own.revision)
    except (NotASafetensorsRepoError, SafetensorsParsingError) as error:
        raise UserError("no safetensors in it", where=where or own.path) from error
    except (OSError, ValueError, HfHubHTTPError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise UserError(f"cannot look at {own} on the hub ({why})", where=where, fix=FIX) from error
    tensors: dict[str, Stored] = {}
    for file, found in metadata.files_metadata.items():
        entries = {
            name: {"dtype": info.dtype, "shape": info.shape, "data_offsets": info.data_offsets}
            for name, info in found.tensors.items()
        }
        tensors |= stored(folder / file, entries, 0, None)
    config = read_json(folder / "config.json")
    return Model(str(own), folder, config, tensors, weights=False, reference=own)


def _cached(reference: Reference) -> Model | None:
    """The model from the local cache, if all of it is there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = snapshot_download(reference.path, revision=reference.revision, local_files_only=True)
        return open_folder(Path(folder), reference)
    except (LocalEntryNotFoundError, UserError, ValueError):
        return None  # not here, or not whole: it is looked at, and later fetched, over the network


def fetch(reference: Reference, *, where: str = "") -> Path:
    """Download a model (or an adapter) with its weights and return the folder.

    Raises:
        UserError: it cannot be fetched.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    patterns = [*SMALL, "*.safetensors"]
    try:
        return Path(snapshot_download(reference.path, revision=reference.revision, allow_patterns=patterns))
    except (OSError, ValueError, HfHubHTTPError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise UserError(f"cannot fetch {reference} ({why})", where=where, fix=FIX) from error


def with_weights(model: Model) -> Model:
    """The same model once its weights are on this machine."""
    if model.weights:
        return model
    own = Reference(model.reference.path, model.reference.revision)
    fetched = open_folder(fetch(own), own)
    return Model(model.name, fetched.folder, fetched.config, fetched.tensors, model.adapter, True, own)
