"""From a few question-answer pairs to many: the nearest ones are shown, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.models.protocol import Model
from truenorth.recipes.run_limits import Count
from truenorth.recipes.run_rows import fresh
from truenorth.recipes.run_work import Answers, Load, Work
from truenorth.recipes.settings import Settings
from truenorth.synth.few import few_sample


def few_samples(
    pool: Answers, model: Model, work: Work, *, n: Count | None = None, shown: Count = 4
) -> Answers:
    """Up to `n` new pairs (default: the job's number of prompts), each written after the `shown` nearest of the pool.

    Source: Guo et al. 2024, ISARA (arXiv:2401.06785).
    """
    wanted = n or work.settings.prompts
    with work.progress("new pairs", 2 * wanted) as tick:
        found = few_sample(
            model,
            pool,
            wanted,
            shown=shown,
            max_tokens=work.settings.max_tokens,
            seed=work.settings.seed,
            tick=tick,
        )
    return fresh(work, found, "new pairs")


def forecast(rows: Sequence[float], settings: Settings, *, n: int | None = None, shown: int = 4) -> Load:
    wanted = n or settings.prompts
    return Load(0.5 * wanted, answers=2 * wanted * (1 + shown / 2))
