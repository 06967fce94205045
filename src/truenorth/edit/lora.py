"""LoRA folders as models: a tensor is the base's plus scale * B @ A, made piece by piece where it is read.

Reads what peft saves. An adapter whose update is not of that form (DoRA, biases) is refused, never approximated.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from truenorth.base import UserError
from truenorth.edit.storage import Stored, header, read

KEY = re.compile(r"^(?:base_model\.model\.)?(?P<module>.+)\.lora_(?:embedding_)?(?P<side>[AB])(?:\.weight)?$")
EXPECTED = "a peft LoRA folder with adapter_config.json and adapter_model.safetensors"


@dataclass(frozen=True)
class Delta:
    """The update of one weight: `scale` * B @ A, transposed where the layer keeps (in, out)."""

    a: Stored
    b: Stored
    scale: float
    transposed: bool

    @property
    def shape(self) -> tuple[int, ...]:
        out_in = (self.b.shape[0], self.a.shape[1])
        return out_in[::-1] if self.transposed else out_in

    def rows(self, start: int, stop: int) -> np.ndarray:
        """(stop - start, columns) rows of the update, float32."""
        rank, a = self.a.shape[0], read(self.a).reshape(self.a.shape)
        if self.transposed:
            update = a.T[start:stop] @ read(self.b).reshape(self.b.shape).T
        else:
            update = read(self.b, start * rank, (stop - start) * rank).reshape(-1, rank) @ a
        update *= np.float32(self.scale)
        return update


@dataclass(frozen=True)
class Adapter:
    """A LoRA folder: updates by the name of the weight, tensors it replaces whole, and its base if it says."""

    folder: Path
    deltas: dict[str, Delta]
    whole: dict[str, Stored]
    base: str


def is_adapter(folder: Path) -> bool:
    """Does this folder hold a LoRA?"""
    return (folder / "adapter_config.json").is_file()


def adapter(folder: Path) -> Adapter:
    """Read an adapter's configuration and headers; no weights.

    Raises:
        UserError: not a LoRA folder, or of a kind whose update is not scale * B @ A.
    """
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"cannot read adapter_config.json ({error})", where=str(folder), expected=EXPECTED
        ) from error
    _refuse(config, folder)
    file = folder / "adapter_model.safetensors"
    if not file.is_file():
        raise UserError("no adapter_model.safetensors", where=str(folder), expected=EXPECTED)
    sides: dict[str, dict[str, Stored]] = {}
    whole: dict[str, Stored] = {}
    embeddings = set()
    for key, tensor in header(file).items():
        if match := KEY.match(key):
            sides.setdefault(match["module"], {})[match["side"]] = tensor
            if ".lora_embedding_" in key:
                embeddings.add(match["module"])
        elif ".lora_" in key:
            raise UserError(f"cannot merge {key}", where=str(file), expected="lora_A and lora_B only")
        else:
            whole[key.removeprefix("base_model.model.").replace(".modules_to_save", "")] = tensor
    deltas = {}
    for module, pair in sides.items():
        if set(pair) != {"A", "B"}:
            raise UserError(f"half of {module} is missing", where=str(file))
        deltas[f"{module}.weight"] = _delta(module, pair, config, embedding=module in embeddings)
    return Adapter(folder, deltas, whole, config.get("base_model_name_or_path") or "")


def _refuse(config: dict[str, Any], folder: Path) -> None:
    kind = config.get("peft_type", "LORA")
    if kind != "LORA":
        raise UserError(f"an adapter of kind {kind}", where=str(folder), expected="LORA")
    fix = "merge the adapter into its base with peft and name the result"
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start not in (
        "gaussian",
        "orthogonal",
        "eva",
    ):  # the base was changed first
        raise UserError(
            f"an adapter that began as {start}", where=str(folder), expected="plain LoRA", fix=fix
        )
    for key in ("use_dora", "lora_bias", "alora_invocation_tokens"):
        if config.get(key):
            raise UserError(f"an adapter with {key}", where=str(folder), expected="plain LoRA", fix=fix)


def _delta(module: str, pair: dict[str, Stored], config: dict[str, Any], *, embedding: bool) -> Delta:
    rank = _patterned(config.get("rank_pattern"), module, config.get("r", pair["A"].shape[0]))
    alpha = _patterned(config.get("alpha_pattern"), module, config.get("lora_alpha", rank))
    scale = alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank
    return Delta(pair["A"], pair["B"], scale, embedding or bool(config.get("fan_in_fan_out")))


def _patterned(patterns: dict[str, float] | None, module: str, default: float) -> float:
    """peft's rank_pattern and alpha_pattern: the first pattern that ends the module's name."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return default
