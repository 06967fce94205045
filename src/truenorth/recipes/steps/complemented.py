"""Answers to prompts with the complements that a writer adds to them."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.models.guidelines import with_guidelines
from truenorth.models.protocol import Model
from truenorth.recipes.run_limits import Count
from truenorth.recipes.run_rows import answered
from truenorth.recipes.run_work import Answers, Load, Prompts, Work
from truenorth.recipes.settings import Settings
from truenorth.synth.complements import written_by


def complemented(prompts: Prompts, writer: Model, model: Model, work: Work, *, n: Count = 1) -> Answers:
    """`n` answers a prompt, given with what `writer` adds to it; the rows have the bare prompt.

    Source: Zheng et al. 2024, PAS (arXiv:2407.06027): the complement goes with the prompt to any model.
    """
    seed = work.settings.seed
    told = with_guidelines(model, written_by(writer, max_tokens=work.settings.max_tokens, seed=seed))
    return answered(work, told, prompts, n, "answers with complements")


def forecast(rows: Sequence[float], settings: Settings, *, n: int = 1) -> Load:
    return Load(0.9 * n * rows[0], answers=(n + 1) * rows[0])
