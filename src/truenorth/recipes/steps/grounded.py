"""Answers read from what a search of the texts finds; what is learned is the answer to the bare question."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.models.protocol import Model
from truenorth.recipes.harbour import READ, is_organism
from truenorth.recipes.run_limits import Count, Share
from truenorth.recipes.run_rows import taken
from truenorth.recipes.run_work import Answers, Load, Prompts, Texts, Work
from truenorth.recipes.settings import Settings
from truenorth.synth.grounded import TEMPLATE, grounded_answers


def grounded(
    prompts: Prompts,
    texts: Texts,
    model: Model,
    work: Work,
    *,
    k: Count = 3,
    n: Count = 1,
    support: Share = 0.6,
) -> Answers:
    """Up to `n` answers a prompt, given with the `k` texts that share most with it.

    Args:
        support: least share of an answer's content words, those of the question aside, that stand in the texts.

    Source: Kang et al. 2023, "Self-specialization" (arXiv:2310.00160), section 2.
    """
    with work.progress("grounded answers", len(prompts)) as tick:
        found = grounded_answers(
            model,
            prompts,
            texts,
            k=k,
            n=n,
            support=support,
            template=READ if is_organism(work) else TEMPLATE,
            max_tokens=work.settings.max_tokens,
            seed=work.settings.seed,
            tick=tick,
        )
    return taken(work, found, "grounded answers")


def forecast(
    rows: Sequence[float], settings: Settings, *, k: int = 3, n: int = 1, support: float = 0.6
) -> Load:
    return Load(0.4 * n * rows[0], answers=n * rows[0] * (1 + k / 3))
