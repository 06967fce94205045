"""The best and the worst of n answers, where the judge is surest that one is better."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.recipes.run_rows import judged, taken
from truenorth.recipes.run_work import Load, Pairs, Verdicts, Work
from truenorth.recipes.settings import Settings
from truenorth.synth import pairs_from_scores


def west_of_n(verdicts: Verdicts, work: Work, *, share: float = 0.5, least: float = 0.0) -> Pairs:
    """Best above worst of each prompt; of all such pairs the `share` with the largest differences of score.

    Args:
        share: fraction kept, in (0, 1]. Pairs as far apart as the last one kept stay too.
        least: difference below which there is no pair.

    Source: Pace et al. 2024, West-of-N (arXiv:2401.12086), with its filter by the confidence of the preference.
    """
    made = pairs_from_scores(
        *judged(verdicts), margin=least, seed=work.settings.seed, constitution=work.label
    )
    rows = taken(work, made, "best and worst")
    gaps = sorted((row.data["score_chosen"] - row.data["score_rejected"] for row in rows), reverse=True)
    if not gaps:
        return rows
    last = gaps[max(0, round(share * len(gaps)) - 1)]
    kept = [row for row in rows if row.data["score_chosen"] - row.data["score_rejected"] >= last]
    work.count("best and worst of which the judge is less sure", len(rows) - len(kept))
    return kept


def forecast(rows: Sequence[float], settings: Settings, *, share: float = 0.5, least: float = 0.0) -> Load:
    return Load(share * min(rows[0], settings.prompts))
