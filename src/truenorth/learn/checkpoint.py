"""Saving and resuming a fit: one file, replaced atomically, so a kill at any moment leaves a whole one."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from truenorth.base import UserError, content_hash, write_bytes
from truenorth.learn.following import Shadow


class Reached(NamedTuple):
    """How far a fit has come: the step to go on from, and the steps skipped so far."""

    step: int
    skipped: int


@dataclass(frozen=True)
class State:
    """All that changes as a fit goes on, and the folder where it is kept; without a folder nothing is."""

    folder: Path | None
    identity: str  # the fingerprint of the fit
    trained: Mapping[str, torch.nn.Parameter]
    stepper: torch.optim.Optimizer
    shadow: Shadow | None

    def resume(self) -> Reached:
        """Put back what the folder holds; nothing, and the first step, where it holds none.

        Raises:
            UserError: as `load`.
        """
        state = load(self.folder / "fit.pt", self.identity) if self.folder else None
        if state is None:
            return Reached(0, 0)
        with torch.no_grad():
            for name, p in self.trained.items():
                p.copy_(state["weights"][name])
        self.stepper.load_state_dict(state["optimizer"])
        if self.shadow:
            self.shadow.restore(state["reference"])
        return Reached(state["step"], state["skipped"])

    def save(self, step: int, skipped: int) -> None:
        """Replace what the folder holds."""
        if self.folder is None:
            return
        weights = {name: p.detach() for name, p in self.trained.items()}
        found = {"fingerprint": self.identity, "step": step, "skipped": skipped, "weights": weights}
        found |= {"reference": self.shadow.weights()} if self.shadow else {}
        save(self.folder / "fit.pt", found | {"optimizer": self.stepper.state_dict()})


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
