"""Settings of `truenorth train`: TRL's names, from a YAML file with flags on top, each checked before anything runs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache, partial
from typing import Any, Literal, get_type_hints

from truenorth.base import UserError
from truenorth.recipes.train_adapters import adapter_of, adapter_rate, read_peft
from truenorth.recipes.train_names import ALIASES, CANNOT, NEEDLESS, OBJECTIVES, OFF
from truenorth.recipes.train_objective import by_loss_type, objective_parameters, own_name
from truenorth.recipes.train_values import read_value

OPTIMIZERS = {
    "adamw": "adamw",
    "adamw_torch": "adamw",
    "adamw_torch_fused": "adamw",
    "adamw_hf": "adamw",
    "muon": "muon",
}
SCHEDULES = {
    "linear": "linear",
    "cosine": "cosine",
    "constant": "constant",
    "constant_with_warmup": "constant",
}


@dataclass(frozen=True)
class TrainSettings:
    """What changes the result of a training, under TRL's names.

    Args:
        model, data: a folder or hub id; a file, folder or hub id.
        dataset_config, dataset_train_split, dataset_test_split: of a hub dataset.
        eval_data: rows to evaluate on; or test_split_size, a share (below 1) or number of training rows held out.
        ref_model: what reference objectives compare to; by default the model before training.
        baseline_model: of adpa: its teacher before it learned preferences.
        sft_weight: of the imitation that stands beside coin, adpa and minillm.
        max_new_tokens, rounds, teacher_share: of answers that adpa and minillm draw.
        sync_ref_model: the reference follows the policy (TR-DPO): every ref_model_sync_steps it becomes
            ref_model_mixup_alpha of the policy and the rest of itself.
        learning_rate: peak; None: by the model's size (see `default_rate`).
        num_train_epochs: None: 3 for sft, 1 for all others. max_steps above 0 takes its place.
        per_device_train_batch_size, gradient_accumulation_steps: only their product matters: rows a step.
        warmup: steps, or a fraction of all steps when below 1.
        logging_steps: a line in metrics.jsonl each, with the mean over those steps.
        save_steps: a checkpoint to resume from each; never the result.
        eval_strategy, eval_steps: evaluate also during training.
        use_peft: adapters instead of the weights. lora_alpha: None: twice lora_r.
        peft: another kind than plain LoRA, and its settings, under peft's names (see `train_adapters.py`).
        micro_tokens: tokens of one forward pass; memory and speed, never the result.
    """

    objective: str
    model: str = ""
    data: str = ""
    dataset_config: str = ""
    dataset_train_split: str = "train"
    dataset_test_split: str = ""
    eval_data: str = ""
    test_split_size: float = 0.0
    ref_model: str = ""
    baseline_model: str = ""
    sft_weight: float = 1.0
    max_new_tokens: int = 64
    rounds: int = 4
    teacher_share: float = 0.2
    sync_ref_model: bool = False
    ref_model_mixup_alpha: float = 0.6
    ref_model_sync_steps: int = 512
    learning_rate: float | None = None
    num_train_epochs: float | None = None
    max_steps: int = -1
    per_device_train_batch_size: int = 8
    gradient_accumulation_steps: int = 1
    warmup: float = 0.1
    lr_scheduler_type: str = "linear"
    max_grad_norm: float = 1.0
    weight_decay: float = 0.0
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    optim: str = "adamw"
    seed: int = 0
    logging_steps: int = 1
    save_steps: int = 100
    eval_strategy: Literal["no", "steps", "epoch"] = "no"
    eval_steps: float | None = None
    use_peft: bool = False
    lora_r: int = 16
    lora_alpha: int | None = None
    lora_target_modules: tuple[str, ...] = ("all-linear",)
    use_dora: bool = False
    use_rslora: bool = False
    peft: Mapping[str, Any] = field(default_factory=dict)
    completion_only_loss: bool | None = None
    assistant_only_loss: bool = False
    max_length: int | None = None
    max_prompt_length: int | None = None
    truncation_mode: Literal["prompt_first", "keep_start", "keep_end"] = "prompt_first"
    as_chat: bool = False
    dataset_text_field: str = "text"
    micro_tokens: int | None = None
    objective_settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def batch(self) -> int:
        """Rows of one step."""
        return self.per_device_train_batch_size * self.gradient_accumulation_steps

    @property
    def evaluates(self) -> bool:
        return bool(self.eval_data or self.test_split_size or self.dataset_test_split)

    def to_dict(self) -> dict[str, Any]:
        """For the run's manifest: without what never changes the result."""
        kept = asdict(self) | {"objective_settings": dict(self.objective_settings), "peft": dict(self.peft)}
        kept = {k: v for k, v in kept.items() if k not in LATER or v != getattr(TrainSettings, k, {})}
        return {k: v for k, v in kept.items() if k not in ("save_steps", "micro_tokens", "logging_steps")}


# Settings that older runs do not have in their manifests.
LATER = (
    "peft",
    "use_dora",
    "use_rslora",
    "baseline_model",
    "sft_weight",
    "max_new_tokens",
    "rounds",
    "teacher_share",
)
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


def usual_rate(s: TrainSettings, coupling: str, parameters: int) -> float:
    """The learning rate where none is given: that of its kind of adapters, or by the model's size."""
    own = adapter_rate(s, imitates=_imitates(s.objective, coupling))
    return own or default_rate(s.objective, coupling, parameters, lora=s.use_peft)


def _imitates(objective: str, coupling: str) -> bool:
    return objective in ("sft", "dft") or coupling in ("score", "score_pair", "token_score")


def default_rate(objective: str, coupling: str, parameters: int, *, lora: bool) -> float:
    """A learning rate by the model's size: 2e-5 (sft, reward models) or 1e-6 (all others) at a billion parameters.

    It falls with the square root of the size; adapters take ten times it. At most 2e-3, and 2e-4 for preferences.
    """
    imitates = _imitates(objective, coupling)
    rate = (2e-5 if imitates else 1e-6) * (1e9 / max(1, parameters)) ** 0.5 * (10 if lora else 1)
    return min(rate, 2e-3 if imitates else 2e-4)
