"""Settings of `truenorth train`, under TRL's names. `train_reading` reads and checks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

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
        learning_rate: peak; None: by the model's size (see `train_rates`).
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
