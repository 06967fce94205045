"""What a judge says of each answer."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.judges import Judge
from truenorth.recipes.run_principles import under as asked_under
from truenorth.recipes.run_rows import concerned
from truenorth.recipes.run_work import Answers, Load, Verdicts, Work
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import value
from truenorth.records import Row, Source


def verdicts(
    answers: Answers, judge: Judge, work: Work, *, only: tuple[str, ...] = (), under: tuple[str, ...] = ()
) -> Verdicts:
    """Each answer with its score (None: no answer of the judge), the principle that decided, and all parts.

    Args:
        only: principles; answers to prompts that none of them speaks of are not judged and have no score.
        under: principles that a judge of step `principled` is shown; "not private" shows it the contrary.
    """
    judge = asked_under(judge, under, work) if under else judge
    asked = [row for row in answers if concerned(work, only, row.data["prompt"])]
    found = {
        row.source.parents[0]: row for row in value(judge, asked, constitution=work.label, count=work.count)
    }
    return [found.get(row.id) or _unjudged(row) for row in answers]


def _unjudged(row: Row) -> Row:
    source = Source(
        "unjudged", parents=(row.id, row.source.parents[-1]), note="no principle asked for speaks of it"
    )
    return Row({**row.data, "score": None, "parts": {}}, source)


def forecast(rows: Sequence[float], settings: Settings, **given: tuple[str, ...]) -> Load:
    return Load(rows[0], reads=rows[0])
