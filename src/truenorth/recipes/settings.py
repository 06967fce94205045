"""The settings of an alignment: everything that changes its result."""

from __future__ import annotations

from dataclasses import dataclass

from truenorth.base import UserError, names
from truenorth.recipes.run_limits import above, at_least, within

LIMITS = {
    at_least(1): "prompts samples max_tokens steps batch evaluations items",
    at_least(0): "held_prompts guided unbiased revised sft keep documents lora_rank seed",
    above(0): "draws beta lr",
    within(0, 1): "margin likeness",
}


@dataclass(frozen=True)
class Settings:
    """Defaults are those of the organism on two cores; `for_real_models` are those of everything larger.

    Args:
        prompts: prompts synthesised (or read) for training.
        held_prompts: further prompts that only watch the training.
        draws: prompts drawn for each one wanted; some are duplicates or held out.
        samples: plain answers a prompt.
        guided: answers a prompt under each principle's guidance.
        unbiased: answers to the prompt without the user's opinion, where it states one.
        revised: rounds of critique and revision of the likeliest plain answer, by the model itself.
        max_tokens: longest answer.
        cut: keep answers that were cut at max_tokens (models that continue text); otherwise they are dropped.
        margin: least difference of score between a chosen and a rejected answer, in [0, 1].
        likeness: share of words from which two answers are too alike to be a pair; the better one is kept.
        objective: what the pairs are learned with: "sft" on the chosen, "dpo", or another one of pairs with the
            method's own settings.
        beta, sft: of DPO, and the weight of its likelihood term.
        keep: weight of the KL anchor on the model's own good answers.
        documents: weight of the KL anchor on the model's own documents.
        steps, batch, lr: of training; `batch` pairs a step.
        evaluations: how often the training is watched, and its weights are kept to choose from.
        items: held-out questions a principle, for measuring.
    """

    prompts: int = 4000
    held_prompts: int = 160
    draws: float = 2.6
    samples: int = 8
    guided: int = 0
    unbiased: int = 8
    revised: int = 0
    max_tokens: int = 40
    cut: bool = False
    margin: float = 0.3
    likeness: float = 0.55
    objective: str = "dpo"
    beta: float = 0.1
    sft: float = 1.0
    keep: float = 3.0
    documents: float = 1.0
    steps: int = 400
    batch: int = 16
    lr: float = 5e-4
    lora_rank: int = 0
    evaluations: int = 6
    items: int = 300
    seed: int = 0

    def __post_init__(self) -> None:
        for limit, settings in LIMITS.items():
            for name in settings.split():
                value = getattr(self, name)
                if not limit.fits(value):
                    raise UserError(f"{name} is {value}", where="settings", expected=limit.expected)
        if self.objective not in names("truenorth.learn.objectives"):
            raise UserError(
                f"no objective {self.objective!r}",
                where="settings",
                expected="sft, dpo, or another one of pairs",
            )
