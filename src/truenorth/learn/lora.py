"""Low-rank adapters through peft: the same loop, a few trained weights, the reference one switch away."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch

from truenorth.base import seed_of


@dataclass(frozen=True)
class Lora:
    """Settings of the adapters. Rank 16 on all linear layers but the head is a sound start.

    Source: Hu et al. 2021 (arXiv:2106.09685).
    """

    rank: int = 16
    alpha: int = 32  # the adapter's output is scaled by alpha / rank
    targets: str | tuple[str, ...] = "all-linear"


def wrap(module: Any, lora: Lora, *, seed: int) -> Any:
    """The peft model around `module`, adapters placed inside it and set to change nothing."""
    from peft import LoraConfig, get_peft_model

    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        target_modules=targets,
        lora_dropout=0.0,
        task_type=_task_type(module),  # with a score head, peft trains the head too
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # peft 0.21 reads a property that transformers 5.23 renamed
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        warnings.filterwarnings("ignore", "fan_in_fan_out is set to False")  # GPT-2: peft mends it itself
        torch.manual_seed(seed_of("lora", seed) % 2**32)
        return get_peft_model(module, config)


def resumed(module: Any) -> Any:
    """The peft model that `module` already is, its active adapter set to be trained; None for a plain model."""
    if not hasattr(module, "peft_config"):
        return None
    module.set_adapter(module.active_adapter)  # an adapter that was loaded from disk is frozen
    return module


def _task_type(module: Any) -> str:
    name = type(module).__name__
    if name.endswith("ForSequenceClassification"):
        return "SEQ_CLS"
    return "TOKEN_CLS" if name.endswith("ForTokenClassification") else "CAUSAL_LM"
