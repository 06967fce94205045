"""The best answer to each prompt, to imitate."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.recipes.run_limits import Share
from truenorth.recipes.run_rows import judged, taken
from truenorth.recipes.run_work import Answers, Load, Verdicts, Work
from truenorth.recipes.settings import Settings
from truenorth.synth import best_answers


def best(verdicts: Verdicts, work: Work, *, at_least: Share = 0.5) -> Answers:
    """The answer that scores highest, if it scores `at_least` that; among equals one is drawn by seed.

    Source: Dong et al. 2023, RAFT (arXiv:2304.06767): imitating the best of n.
    """
    found = best_answers(
        *judged(verdicts), at_least=at_least, seed=work.settings.seed, constitution=work.label
    )
    return taken(work, found, "best answers")


def forecast(rows: Sequence[float], settings: Settings, *, at_least: float = 0.5) -> Load:
    return Load(min(rows[0], settings.prompts))
