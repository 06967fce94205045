"""Prompts made harder, or rarer, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from truenorth.models.protocol import Model
from truenorth.recipes.harbour import EVOLVING, is_organism
from truenorth.recipes.run_limits import Count
from truenorth.recipes.run_rows import fresh
from truenorth.recipes.run_work import Load, Prompts, Work
from truenorth.recipes.settings import Settings
from truenorth.synth.evolve import evolve as evolved


def evolve(
    prompts: Prompts, model: Model, work: Work, *, rounds: Count = 3, most_added: Count = 20
) -> Prompts:
    """What the prompts become in `rounds` rewritings each; those that did not get better are left out.

    Args:
        most_added: words that one rewriting may add.

    Source: Xu et al. 2023, WizardLM (arXiv:2304.12244), section 3.2.
    """
    ways: dict[str, Any] = EVOLVING if is_organism(work) else {}
    with work.progress("rewritten prompts", rounds * len(prompts)) as tick:
        found = evolved(
            model,
            prompts,
            rounds=rounds,
            most_added=most_added,
            max_tokens=work.settings.max_tokens if ways else 256,
            seed=work.settings.seed,
            tick=tick,
            **ways,
        )
    return fresh(work, found, "rewritten prompts")


def forecast(rows: Sequence[float], settings: Settings, *, rounds: int = 3, most_added: int = 20) -> Load:
    return Load(0.5 * rounds * rows[0], answers=rounds * rows[0])
