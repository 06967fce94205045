"""Settings of `truenorth train` from YAML and flags: each name known and each value in range before anything runs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields
from functools import cache, partial
from typing import Any, get_type_hints

from truenorth.base import UserError
from truenorth.recipes.train_adapters import adapter_of, read_peft
from truenorth.recipes.train_names import ALIASES, CANNOT, NEEDLESS, OBJECTIVES, OFF
from truenorth.recipes.train_objective import by_loss_type, objective_parameters, own_name
from truenorth.recipes.train_settings import OPTIMIZERS, SCHEDULES, TrainSettings
from truenorth.recipes.train_values import read_value

AT_LEAST: dict[str, float] = {
    "seed": 0,
    "num_train_epochs": 0,
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 1,
    "logging_steps": 1,
    "save_steps": 1,
    "max_length": 2,
    "max_prompt_length": 1,
    "lora_r": 1,
    "lora_alpha": 1,
    "learning_rate": 0,
    "warmup": 0,
    "weight_decay": 0,
    "max_grad_norm": 0,
    "test_split_size": 0,
    "eval_steps": 0,
    "micro_tokens": 1,
    "sft_weight": 0,
    "max_new_tokens": 1,
    "rounds": 1,
    "teacher_share": 0,
}
ABOVE_ZERO = (
    "beta",
    "tau",
    "temperature",
)  # settings of objectives: at 0 nothing is learned, below it the opposite
SHARES = ("gkd",)  # objectives whose beta is a share between two divergences
ABOVE = ("learning_rate", "num_train_epochs", "max_grad_norm", "eval_steps")


def settings_from(objective: str, given: Mapping[str, Any]) -> tuple[TrainSettings, list[str]]:
    """Settings, and a line for each argument that was given without need.

    Args:
        given: argument -> value, as text or as YAML gives it; the names of TRL or ours, or of the objective's settings.

    Raises:
        UserError: one line for the first argument that is unknown (with the nearest name), unsupported or has a
            value of another type or range.
    """
    objective = OBJECTIVES.get(objective, objective)
    own = {ALIASES.get(name, name): value for name, value in given.items()}
    if loss := own.pop("loss_type", None):
        objective, more = by_loss_type(objective, loss, own.pop("loss_weights", None))
        own |= more
    takes = objective_parameters(objective)
    values: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    notes: list[str] = []
    for name, value in own.items():
        theirs = own_name(name, takes)
        if name == "peft":
            values["peft"] = read_peft(value)
            values.setdefault("use_peft", True)
        elif name in hints() and name not in ("objective", "objective_settings"):
            values[name] = read_value(name, value, hints()[name])
        elif theirs is not None:
            settings[theirs] = read_value(name, value, takes[theirs])
        elif name in NEEDLESS:
            notes.append(f"{name} has no effect: {NEEDLESS[name]}")
        elif name in CANNOT:
            if value not in OFF:
                raise UserError(f"{name} is not supported", where=f"--{name}", fix=CANNOT[name])
        else:
            raise unknown(name, objective, takes)
    made = TrainSettings(objective=objective, objective_settings=settings, **values)
    _check(made)
    if not made.use_peft:
        told = [name for name in own if name.startswith("lora_") or name in ("use_dora", "use_rslora")]
        notes += [f"{name} has no effect: all weights are trained without --use_peft" for name in told]
    return made, notes


def bound(settings: TrainSettings) -> Any:
    """The objective with its settings, as a task takes it."""
    from truenorth.learn.coupling import load_objective

    function = load_objective(settings.objective)
    return (
        partial(function, **settings.objective_settings)
        if settings.objective_settings
        else settings.objective
    )


@cache
def hints() -> dict[str, Any]:
    """The types of the settings, by name."""
    return get_type_hints(TrainSettings)


def known_names(takes: Mapping[str, Any] = {}) -> list[str]:
    """Every name that is understood, for suggestions."""
    mine = [f.name for f in fields(TrainSettings) if f.name not in ("objective", "objective_settings")]
    return [*mine, *takes, *ALIASES, "loss_type", "loss_weights", *NEEDLESS, *CANNOT]


def unknown(name: str, objective: str, takes: Mapping[str, Any]) -> UserError:
    """What to say of an argument that nobody knows, with the nearest one that somebody does."""
    near = difflib.get_close_matches(name, known_names(takes), n=1, cutoff=0.6)
    fix = f"did you mean --{near[0]}?" if near else "see truenorth train --help"
    about = (
        f"; {objective} has the settings {', '.join(takes)}" if takes else f"; {objective} has no settings"
    )
    return UserError(f"no argument {name!r}{about if not near else ''}", where=f"--{name}", fix=fix)


def _check(s: TrainSettings) -> None:
    """Ranges, and settings that contradict each other."""
    for name, least in AT_LEAST.items():
        value = getattr(s, name)
        if value is not None and (value < least or (name in ABOVE and value == least)):
            how = "above" if name in ABOVE else "at least"
            raise UserError(f"{value} is out of range", where=f"--{name}", expected=f"{how} {least:g}")
    for name, allowed in (("optim", OPTIMIZERS), ("lr_scheduler_type", SCHEDULES)):
        if getattr(s, name) not in allowed:
            raise UserError(
                f"{getattr(s, name)!r}", where=f"--{name}", expected="one of " + ", ".join(allowed)
            )
    if s.teacher_share > 1:
        raise UserError(f"{s.teacher_share} is out of range", where="--teacher_share", expected="in [0, 1]")
    if s.sync_ref_model and (s.ref_model_sync_steps < 1 or not 0 <= s.ref_model_mixup_alpha <= 1):
        raise UserError(
            "out of range", where="--sync_ref_model", expected="steps of 1 or more, a mix in [0, 1]"
        )
    for name in ABOVE_ZERO:
        value = s.objective_settings.get(name)
        if value is not None and value <= 0 and s.objective not in SHARES:
            raise UserError(f"{value} is out of range", where=f"--{name}", expected="above 0")
    adapter_of(s)
    if s.eval_data and (s.test_split_size or s.dataset_test_split):
        raise UserError("--eval_data and a held-out part of the data", fix="give one of them")
    if s.eval_strategy != "no" and not s.evaluates:
        raise UserError(
            "there is nothing to evaluate on",
            where="--eval_strategy",
            fix="add --eval_data FILE or --test_split_size 0.1",
        )
    if s.eval_strategy == "steps" and s.eval_steps is None:
        raise UserError("eval_strategy is steps", where="--eval_strategy", fix="add --eval_steps N")
