"""A model compares answers in both orders; where both orders agree, one is preferred."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from truenorth.base import UserError
from truenorth.judges import Judge
from truenorth.recipes.run_check import SELF, Bound, judged_by
from truenorth.recipes.run_limits import Count, Share
from truenorth.recipes.run_rows import as_lesson, concerned, kept_as_it_is, taken
from truenorth.recipes.run_work import Answers, Load, Pairs, Work
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import grouped
from truenorth.synth.comparisons import Compares, pairs_from_comparisons


def preferences(
    answers: Answers,
    judge: Judge,
    work: Work,
    *,
    margin: Share = 0.1,
    most: Count = 1,
    only: tuple[str, ...] = (),
) -> Pairs:
    """At most `most` pairs a prompt, where the better answer's share over both orders is above one half by `margin`.

    The judge must compare: `self`, `self:STEP`.

    Args:
        only: principles; of a prompt that none of them speaks of, the likeliest answer is kept as it is.

    Raises:
        UserError: a judge that does not compare.

    Source: Bai et al. 2022 (arXiv:2212.08073), section 4.1; both orders as in Zheng et al. 2023 (arXiv:2306.05685).
    """
    if not hasattr(judge, "compare"):
        raise UserError(f"{judge.name} compares nothing", where="step preferences", expected="judge: self")
    asked = [row for row in answers if concerned(work, only, row.data["prompt"])]
    found = pairs_from_comparisons(
        asked,
        cast(Compares, judge),
        margin=margin,
        most=most,
        seed=work.settings.seed,
        constitution=work.label,
    )
    told = {row.id for row in asked}
    others = grouped([row for row in answers if row.id not in told])
    kept = [max(group, key=lambda row: row.data.get("times", 1)) for group in others.values()]
    pairs = [as_lesson(row) for row in taken(work, found, "comparisons")]
    return [*pairs, *(kept_as_it_is(row, work, "prefer") for row in kept)]


def check(step: Bound, earlier: Mapping[str, Bound], where: str) -> None:
    """The judge can do what is needed."""
    judged_by(step, SELF, "compares nothing", where)


def forecast(
    rows: Sequence[float],
    settings: Settings,
    *,
    margin: float = 0.1,
    most: int = 1,
    only: tuple[str, ...] = (),
) -> Load:
    prompts = min(rows[0], settings.prompts)
    return Load(0.25 * most * prompts, reads=2 * most * prompts)
