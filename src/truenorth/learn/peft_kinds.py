"""Kinds of adapters by peft's own names: which are trained here, what they are configured with, which are refused."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from truenorth.base import UserError

# LoRA so configured, under the name of its paper.
VARIANTS: dict[str, dict[str, Any]] = {
    "DORA": {"use_dora": True},
    "RSLORA": {"use_rslora": True},
    "PISSA": {"init_lora_weights": "pissa"},
    "OLORA": {"init_lora_weights": "olora"},
}
VIRTUAL = ("PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING")
OWN_LOOP = "it changes its ranks or adds a loss while it trains, which needs a loop of its own"
MANY = "it chooses among several adapters or tasks, and a row does not say which"
REFUSED = {
    "ADALORA": OWN_LOOP,
    "OSF": OWN_LOOP,
    "SHIRA": OWN_LOOP,
    "XLORA": MANY,
    "POLY": MANY,
    "MULTITASK_PROMPT_TUNING": MANY,
    "CPT": "it has a loss of its own, and examples in its prompt",
    "CARTRIDGE": "it is distilled from a long context, which a row does not have",
}
# Settings whose value asks for what this loop does not do.
CANNOT = {
    "alora_invocation_tokens": "adapters that wake up at a token are not packed",
    "layer_replication": "it makes another model of the base",
    "megatron_config": "one process only",
    "loftq_config": "it wants a quantised base",
}
NEEDS_DATA = ("eva", "corda", "loftq", "lora_ga")
# Peak learning rates where ten times that of all weights is not the usual one (methods of their papers).
RATES = {"IA3": 3e-3, "LN_TUNING": 1e-3, "BEFT": 1e-3, "PREFIX_TUNING": 3e-3} | dict.fromkeys(
    VIRTUAL[:2], 1e-2
)


@dataclass(frozen=True)
class Peft:
    """Adapters of any kind that peft has, beside plain `Lora`.

    Args:
        type: peft's name in any case ("ia3", "VERA", "prompt_tuning"), or dora, rslora, pissa, olora: LoRA so
            configured.
        settings: of that kind's configuration, under peft's names; what is not named has peft's default.

    Raises:
        UserError: no such kind or setting, or one that cannot be trained here.
    """

    type: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        config_of(self, "CAUSAL_LM")

    @property
    def kind(self) -> str:
        """peft's name."""
        name = self.type.upper().replace("-", "_")
        return "LORA" if name in VARIANTS else name

    @property
    def virtual(self) -> int:
        """Virtual tokens that it puts before every sequence."""
        return int(self.settings.get("num_virtual_tokens", 0)) if self.kind in VIRTUAL else 0

    def __str__(self) -> str:
        told = ", ".join(f"{k}={v}" for k, v in self.settings.items())
        return f"{self.type} ({told})" if told else self.type


def config_of(peft: Peft, task_type: str) -> Any:
    """peft's configuration of an adapter.

    Raises:
        UserError: see `Peft`.
    """
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING as CONFIGS

    kinds = {kind.value: config for kind, config in CONFIGS.items()}
    if peft.kind not in kinds:
        names = [name.lower() for name in (*VARIANTS, *kinds) if name not in REFUSED]
        near = difflib.get_close_matches(peft.type.lower(), names, n=1)
        fix = f"did you mean {near[0]}?" if near else "one of " + ", ".join(names)
        raise UserError(f"peft has no kind {peft.type!r}", where="peft", fix=fix)
    if peft.kind in REFUSED:
        fix = "use lora, dora or another kind"
        raise UserError(f"{peft.type} is not trained here: {REFUSED[peft.kind]}", where="peft", fix=fix)
    settings = {**VARIANTS.get(peft.type.upper(), {}), **peft.settings}
    _check(peft, settings, [f.name for f in fields(kinds[peft.kind])])
    try:
        return kinds[peft.kind](task_type=task_type, **settings)
    except (ValueError, TypeError) as error:
        raise UserError(f"{peft.type}: {error}", where="peft") from error


def _check(peft: Peft, settings: Mapping[str, Any], known: list[str]) -> None:
    """Refuse settings that this kind does not have, or that this loop would not honour."""
    for name, value in settings.items():
        where = f"peft, {name}"
        if name not in known or name in ("peft_type", "task_type", "inference_mode"):
            near = difflib.get_close_matches(name, known, n=1)
            fix = f"did you mean {near[0]}?" if near else ""
            raise UserError(f"{peft.type} has no setting {name!r}", where=where, fix=fix)
        if "dropout" in name and value:
            raise UserError(f"{value}", where=where, expected="0: dropout is off, in adapters too")
        if name in CANNOT and value:
            raise UserError(f"{name} is not supported", where=where, fix=CANNOT[name])
    init = settings.get("init_lora_weights")
    if isinstance(init, str) and init.startswith(NEEDS_DATA):
        raise UserError(
            f"{init} wants data before training", where="peft, init_lora_weights", fix="try pissa"
        )
    if peft.kind in VIRTUAL and not settings.get("num_virtual_tokens"):
        fix = "num_virtual_tokens: 20"
        raise UserError(f"{peft.type} without a number of tokens", where="peft, num_virtual_tokens", fix=fix)


def changes_base(peft: Any) -> bool:
    """Does this kind take its beginning out of the base's weights?"""
    init = {**VARIANTS.get(peft.type.upper(), {}), **peft.settings}.get("init_lora_weights")
    return isinstance(init, str) and init.startswith(("pissa", "olora"))
