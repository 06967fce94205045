"""Texts that people wrote as answers: the model writes what each of them answers."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.models.protocol import Model
from truenorth.recipes.harbour import NOTE, is_organism
from truenorth.recipes.run_limits import Count
from truenorth.recipes.run_rows import fresh
from truenorth.recipes.run_work import Answers, Load, Texts, Work
from truenorth.recipes.settings import Settings
from truenorth.synth.backtranslate import backtranslate as asked_back
from truenorth.synth.backtranslate import round_trip


def backtranslate(texts: Texts, model: Model, work: Work, *, n: Count = 1, k: Count = 4) -> Answers:
    """Up to `n` questions to each text, which is the answer; only those stay that find their text again among the `k`
    best of all texts.

    Source: Li et al. 2023, instruction backtranslation (arXiv:2308.06259), sections 2.2 and 2.3.
    """
    begin = NOTE if is_organism(work) else ""
    with work.progress("questions to texts", len(texts)) as tick:
        found = asked_back(
            model, texts, n=n, begin=begin, max_tokens=40 if begin else 96, seed=work.settings.seed, tick=tick
        )
    back = round_trip(found.kept, [str(row.data["text"]) for row in texts], k=k)
    dropped = {**found.dropped, "that lead elsewhere": back.dropped.get("astray", 0)}
    return fresh(work, back._replace(dropped=dropped), "questions")


def forecast(rows: Sequence[float], settings: Settings, *, n: int = 1, k: int = 4) -> Load:
    return Load(0.6 * n * rows[0], answers=n * rows[0])
