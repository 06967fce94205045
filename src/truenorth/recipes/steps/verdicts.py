"""What a judge says of each answer."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.judges import Judge
from truenorth.recipes.run_work import Answers, Load, Verdicts, Work
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import value


def verdicts(answers: Answers, judge: Judge, work: Work) -> Verdicts:
    """Each answer with its score (None: no answer of the judge), the principle that decided, and all parts."""
    return value(judge, answers, constitution=work.label, count=work.count)


def forecast(rows: Sequence[float], settings: Settings) -> Load:
    return Load(rows[0], reads=rows[0])
