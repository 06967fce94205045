"""Saving and resuming a fit: one file, replaced atomically, so a kill at any moment leaves a whole one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch

from truenorth.base import UserError, content_hash, write_bytes


def save(path: Path, state: dict[str, Any]) -> None:
    """Replace the file at `path` by this state, all of it or not at all."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_bytes(path, buffer.getvalue())


def load(path: Path, fingerprint: str) -> dict[str, Any] | None:
    """The state saved at `path`, None where there is none.

    Raises:
        UserError: the file cannot be read, or belongs to a fit with other data, settings or weights.
    """
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        raise UserError(f"cannot read this checkpoint ({error})", where=str(path), fix="delete it") from error
    if state.get("fingerprint") != fingerprint:
        raise UserError(
            "this checkpoint is of a fit with other examples, settings, reference or starting weights",
            where=str(path),
            fix="delete it, or choose another folder",
        )
    return state


def fingerprint(module: torch.nn.Module, settings: Any) -> str:
    """A hash of settings and of samples of every tensor (up to 4,096 numbers each) of the starting model."""
    seen = []
    for name, tensor in module.state_dict().items():
        flat = tensor.detach().reshape(-1)
        sample = flat[:: max(1, len(flat) // 4096)].float().cpu().numpy()
        seen.append([name, list(tensor.shape), content_hash(np.ascontiguousarray(sample).tobytes())])
    return content_hash([seen, settings])
