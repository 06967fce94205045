"""Adapters through peft: the same loop, a few trained weights, the reference one switch away."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch

from truenorth.base import UserError, seed_of
from truenorth.learn.peft_kinds import Peft, config_of
from truenorth.models.virtual import virtual_tokens


@dataclass(frozen=True)
class Lora:
    """Settings of the adapters. Rank 16 on all linear layers but the head is a sound start; see `Peft` for others.

    Source: Hu et al. 2021 (arXiv:2106.09685).
    """

    rank: int = 16
    alpha: int = 32  # the adapter's output is scaled by alpha / rank
    targets: str | tuple[str, ...] = "all-linear"


def wrap(module: Any, lora: Lora | Peft, *, seed: int) -> Any:
    """The peft model around `module`, adapters placed inside it; most kinds change nothing yet.

    Raises:
        UserError: peft cannot place them in this model.
    """
    from peft import get_peft_model

    config = config_of(_plain(lora) if isinstance(lora, Lora) else lora, _task_type(module))
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # peft 0.21 reads a property that transformers 5.23 renamed
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        warnings.filterwarnings("ignore", "fan_in_fan_out is set to False")  # GPT-2: peft mends it itself
        warnings.filterwarnings("ignore", "Unsupported layer type")  # norms, which it handles
        torch.manual_seed(seed_of("lora", seed) % 2**32)
        try:
            return get_peft_model(module, config).eval()
        except (ValueError, KeyError, TypeError, NotImplementedError, RuntimeError) as error:
            what = f"{config.peft_type.value} does not fit {type(module).__name__}: {error}"
            raise UserError(what.splitlines()[0][:300], where="peft", fix="set target_modules") from error


def resumed(module: Any) -> Any:
    """The peft model that `module` already is, its active adapter set to be trained; None for a plain model.

    Raises:
        UserError: it has virtual tokens, of which peft keeps what a model reads, not what was trained.
    """
    if not hasattr(module, "peft_config"):
        return None
    if virtual_tokens(module):
        raise UserError("virtual tokens cannot be trained further", where="fit", fix="begin a new adapter")
    module.set_adapter(module.active_adapter)  # an adapter that was loaded from disk is frozen
    return module


def merged(adapter: Any) -> Any:
    """The plain transformers model that an adapter makes of its base.

    Raises:
        UserError: this kind is no change of weights.
    """
    kind = adapter.active_peft_config.peft_type.value
    if virtual_tokens(adapter) or kind == "ADAPTION_PROMPT":
        fix = "keep it as an adapter: save_pretrained writes it"
        raise UserError(f"{kind} is no change of weights, so it cannot be merged", where="merge", fix=fix)
    return adapter.merge_and_unload()


def _plain(lora: Lora) -> Peft:
    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    settings = {"r": lora.rank, "lora_alpha": lora.alpha, "target_modules": targets, "lora_dropout": 0.0}
    return Peft("lora", settings)


def _task_type(module: Any) -> str:
    name = type(module).__name__
    if name.endswith("ForSequenceClassification"):
        return "SEQ_CLS"  # with a score head, peft trains the head too
    return "TOKEN_CLS" if name.endswith("ForTokenClassification") else "CAUSAL_LM"
