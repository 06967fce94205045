"""Better answers beside worse ones of the model's own, and answers to keep where all are good."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.recipes.run_limits import Share
from truenorth.recipes.run_work import Load, Pairs, Verdicts, Work, changed
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import choose


def pairs(
    verdicts: Verdicts, work: Work, *, margin: Share | None = None, likeness: Share | None = None
) -> Pairs:
    """One row a prompt: a pair whose scores differ by `margin`, or an answer to keep.

    Args:
        likeness: share of words from which two answers are too alike to be a pair.
    """
    settings = changed(work.settings, margin=margin, likeness=likeness)
    return choose(verdicts, settings, constitution=work.label, count=work.count)


def forecast(rows: Sequence[float], settings: Settings, **given: float | None) -> Load:
    return Load(min(rows[0], settings.prompts))
