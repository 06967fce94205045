"""Models as edits and merges name them, loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from truenorth.edit.lora import adapter, is_adapter
from truenorth.edit.models import Reference
from truenorth.models.local import LocalModel


def loaded(name: str, **how: Any) -> LocalModel:
    """A folder or hub id (`owner/name@revision`), `base+lora`, or a LoRA folder on the base that it names.

    Raises:
        UserError: as `LocalModel.load` does.
    """
    own = Reference.parse(name)
    if own.lora is None and is_adapter(Path(own.path)):
        return LocalModel.load(adapter(Path(own.path)).base, adapter=own.path, **how)
    return LocalModel.load(own.path, revision=own.revision, adapter=own.lora, **how)


def merged(model: LocalModel) -> LocalModel:
    """The model with its adapter folded into the weights, if it has one."""
    if hasattr(model.module, "merge_and_unload"):
        model.module = model.module.merge_and_unload()
    return model
