"""What a training changes, where not all weights: LoRA, another of peft's kinds, or the biases alone."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from truenorth.base import UserError
from truenorth.base.patterns import unusable
from truenorth.recipes.train_settings import TrainSettings

if TYPE_CHECKING:
    from truenorth.learn import Lora, Peft

BIASES = "bitfit"
EXPECTED = "a kind, such as ia3, or a mapping such as {type: vera, r: 64}"


def read_peft(value: Any) -> dict[str, Any]:
    """`--peft`, or `peft:` in YAML: a kind's name, or a mapping with its `type` and peft's settings.

    Raises:
        UserError: it is neither.
    """
    import yaml

    try:
        found = yaml.safe_load(value) if isinstance(value, str) else value
    except yaml.YAMLError as error:
        raise UserError(f"{value!r} is not YAML", where="--peft", expected=EXPECTED) from error
    found = {"type": found} if isinstance(found, str) else found
    if not isinstance(found, Mapping) or not isinstance(
        kind := found.get("type", found.get("peft_type")), str
    ):
        raise UserError(f"{value!r} names no kind", where="--peft", expected=EXPECTED)
    return {"type": kind.lower(), **{k: v for k, v in found.items() if k not in ("type", "peft_type")}}


def adapter_of(s: TrainSettings) -> Lora | Peft | None:
    """The adapters that are trained; None where weights themselves are.

    Raises:
        UserError: peft has no such kind or setting, or it cannot be trained here.
    """
    from truenorth.learn import Lora, Peft
    from truenorth.learn.peft_kinds import VARIANTS

    if not s.use_peft or only_biases(s):
        return None
    settings = dict(s.peft)
    kind = settings.pop("type", "lora")
    targets = s.lora_target_modules
    own: dict[str, Any] = {"r": s.lora_r, "lora_alpha": s.lora_alpha or 2 * s.lora_r}
    own["target_modules"] = targets[0] if targets == ("all-linear",) else list(targets)
    own |= {name: True for name in ("use_dora", "use_rslora") if getattr(s, name)}
    if not s.peft and len(own) == 3:
        return Lora(own["r"], own["lora_alpha"], targets[0] if targets == ("all-linear",) else targets)
    if kind == "lora" or kind.upper() in VARIANTS:
        settings = own | settings
    elif s.use_dora or s.use_rslora:
        raise UserError(
            f"use_dora or use_rslora with {kind}", where="--peft", fix="they are settings of lora"
        )
    return Peft(kind, settings)


def check_targets(s: TrainSettings, matrices: Sequence[str], where: str) -> None:
    """The modules that adapters are to stand beside are there. peft itself is content with one of several names.

    Args:
        matrices: dotted names of the model's modules that have a matrix.

    Raises:
        UserError: a name that no module has, with the nearest ones.
    """
    from truenorth.learn import Lora

    found = adapter_of(s)
    if found is None or (not isinstance(found, Lora) and found.kind == "LN_TUNING"):
        return
    targets = found.targets if isinstance(found, Lora) else found.settings.get("target_modules") or ()
    if targets == "all-linear":
        return
    option = "--peft, target_modules" if "target_modules" in s.peft else "--lora_target_modules"
    known = list(dict.fromkeys(name.rpartition(".")[2] for name in matrices))
    for target in [targets] if isinstance(targets, str) else targets:
        if isinstance(targets, str):  # one text is a pattern of whole names
            if why := unusable(targets):
                raise UserError(f"{target!r} is {why}", where=option)
            there = any(re.fullmatch(target, name) for name in matrices)
        else:
            there = any(name == target or name.endswith(f".{target}") for name in matrices)
        if not there:
            near = difflib.get_close_matches(target, known, n=1)
            fix = f"did you mean {near[0]}?" if near else "or all-linear"
            expected = "some of " + ", ".join(known)
            raise UserError(f"{where} has no module {target!r}", where=option, expected=expected, fix=fix)


def only_biases(s: TrainSettings) -> bool:
    """BitFit, which is no adapter: the model is saved whole.

    Raises:
        UserError: with settings, of which it has none.
    """
    if s.peft.get("type") != BIASES:
        return False
    if len(s.peft) > 1:
        raise UserError(f"{BIASES} has no settings", where="--peft")
    return True


def freeze_all_but_biases(module: Any, where: str) -> None:
    """Leave gradients to biases alone. Source: Ben Zaken et al. 2022 (arXiv:2106.10199).

    Raises:
        UserError: the model has none, as most of today's have.
    """
    if not any(name.endswith(".bias") for name, _ in module.named_parameters()):
        fix = "try --peft ln_tuning, or --peft '{type: lora, r: 4}'"
        raise UserError("the model has no biases to train", where=where, fix=fix)
    for name, p in module.named_parameters():
        p.requires_grad_(name.endswith(".bias"))


def adapter_rate(s: TrainSettings, *, imitates: bool) -> float | None:
    """The usual peak learning rate of a kind that has one of its own; a tenth of it for preferences."""
    from truenorth.learn import Lora
    from truenorth.learn.peft_kinds import RATES

    found = adapter_of(s)
    if found is None or isinstance(found, Lora) or found.kind not in RATES:
        return None
    return RATES[found.kind] * (1 if imitates else 0.1)


def weights_told(s: TrainSettings) -> str:
    """For people: what is trained."""
    if not s.use_peft:
        return "all weights"
    if only_biases(s):
        return "biases only"
    found = adapter_of(s)
    return f"adapters of rank {s.lora_r}" if not s.peft else f"adapters: {found}"
