"""The job's prompts: those the model asks itself, or those of the file it was given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from truenorth.base import UserError
from truenorth.models.protocol import Model
from truenorth.recipes.run_limits import Count
from truenorth.recipes.run_work import Have, Load, Prompts, Work
from truenorth.recipes.settings import Settings


def prompts(model: Model, work: Work, *, n: Count | None = None) -> Prompts:
    """At most `n` prompts (default: the job's), without duplicates and without what is held out.

    Raises:
        UserError: no prompts are left beside those that watch the training.

    Source: Xu et al. 2024, Magpie (arXiv:2406.08464), where the model asks itself.
    """
    settings = replace(work.settings, prompts=n or work.settings.prompts)
    found = work.job.prompts(model, settings, work.count)  # type: ignore[arg-type]
    left = len(found) - settings.held_prompts
    if left < 1:
        what = f"{len(found)} prompts, of which {settings.held_prompts} only watch the training"
        raise UserError(what, where="step prompts", fix="give more, or --set held_prompts=N with a smaller N")
    return found[:left]


def forecast(rows: Sequence[float], settings: Settings, *, n: int | None = None) -> Load:
    wanted = n or settings.prompts
    return Load(wanted, answers=wanted * settings.draws)


def lacks(have: Have, **settings: object) -> str:
    return "" if have.organism or have.prompts else "needs --prompts"
