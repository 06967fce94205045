"""Texts for each question, that debaters may quote and a judge does not see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from truenorth.models.protocol import Model
from truenorth.recipes.run_limits import Count
from truenorth.recipes.run_rows import taken
from truenorth.recipes.run_work import Load, Prompts, Texts, Work
from truenorth.recipes.settings import Settings
from truenorth.records import Row
from truenorth.synth.pages import found_pages, own_pages

Pages = Annotated[list[Row], "prompt", "document"]


def pages(
    prompts: Prompts,
    model: Model,
    work: Work,
    texts: Texts = (),  # type: ignore[assignment]
    *,
    n: Count = 4,
    least: Count = 1,
) -> Pages:
    """For each question the `n` nearest of the texts; without any, what the model writes, `n` times, of its names.

    Questions of which there is nothing are left out.

    Args:
        least: of the model's own texts that a sentence must stand on.

    Source: Yu et al. 2023 (arXiv:2209.10063), for texts that the model writes itself.
    """
    if texts:
        return taken(work, found_pages(prompts, texts, k=n), "pages")
    with work.progress("pages", len(prompts)) as tick:
        settings = {"max_tokens": work.settings.max_tokens, "seed": work.settings.seed}
        return taken(work, own_pages(model, prompts, n=n, least=least, **settings, tick=tick), "pages")


def forecast(rows: Sequence[float], settings: Settings, *, n: int = 4, least: int = 1) -> Load:
    return Load(0.6 * rows[0], answers=0.6 * n * rows[0] if len(rows) == 1 else 0)
