"""The learning rate of a training where none is given."""

from __future__ import annotations

from truenorth.recipes.train_adapters import adapter_rate
from truenorth.recipes.train_settings import TrainSettings


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
