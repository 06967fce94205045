"""The best and the worst of n answers, where the judge is surest that one is better."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.recipes.run_limits import Share, SomeShare
from truenorth.recipes.run_rows import as_lesson, judged, kept_as_it_is, taken
from truenorth.recipes.run_work import Load, Pairs, Verdicts, Work
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import grouped
from truenorth.records import Row
from truenorth.synth import pairs_from_scores

GOOD = 0.5  # score from which an answer is good


def west_of_n(verdicts: Verdicts, work: Work, *, share: SomeShare = 0.5, least: Share = 0.0) -> Pairs:
    """Best above worst of each prompt; of all such pairs the `share` with the largest differences of score.

    A prompt whose answers are all good and differ by no more than `least` gives the likeliest of them to keep.

    Args:
        share: fraction kept, in (0, 1]. Pairs as far apart as the last one kept stay too.
        least: difference below which there is no pair.

    Source: Pace et al. 2024, West-of-N (arXiv:2401.12086), with its filter by the confidence of the preference.
    """
    made = pairs_from_scores(
        *judged(verdicts), margin=least, seed=work.settings.seed, constitution=work.label
    )
    rows = taken(work, made, "best and worst")
    kept = [kept_as_it_is(row, work, "west_of_n") for row in alike(verdicts, least)]
    gaps = sorted((row.data["score_chosen"] - row.data["score_rejected"] for row in rows), reverse=True)
    if not gaps:
        return kept
    last = gaps[max(0, round(share * len(gaps)) - 1)]
    sure = [row for row in rows if row.data["score_chosen"] - row.data["score_rejected"] >= last]
    work.count("best and worst of which the judge is less sure", len(rows) - len(sure))
    return [*(as_lesson(row) for row in sure), *kept]


def alike(verdicts: Sequence[Row], least: float) -> list[Row]:
    """The likeliest answer to each prompt whose answers are all good and about equally so."""
    found = []
    for rows in grouped(verdicts).values():
        scores = [row.data["score"] for row in rows if row.data["score"] is not None]
        if scores and min(scores) >= GOOD and max(scores) - min(scores) <= least:
            found.append(max(rows, key=lambda row: row.data.get("times", 1)))
    return found


def forecast(rows: Sequence[float], settings: Settings, *, share: float = 0.5, least: float = 0.0) -> Load:
    return Load(share * min(rows[0], settings.prompts))
