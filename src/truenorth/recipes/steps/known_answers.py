"""The majority's answer where the model knows, "I don't know" where it does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from truenorth.base import UserError
from truenorth.judges import ConsistencyJudge, Judge
from truenorth.recipes.run_check import CONSISTENCY, Bound, judged_by
from truenorth.recipes.run_limits import template
from truenorth.recipes.run_rows import taken
from truenorth.recipes.run_work import Answers, Load, Prompts, Work
from truenorth.recipes.settings import Settings
from truenorth.synth.idk import known_answers as told


def known_answers(
    prompts: Prompts,
    judge: Judge,
    work: Work,
    *,
    sure: Annotated[str, template("answer", "percent", empty=True)] = "",
) -> Answers:
    """One answer to each prompt of which the judge can tell whether the model knows; the others are counted.

    The judge must be `consistency` or `consistency:STEP`.

    Args:
        sure: a template with {answer} and {percent} for what is known, if answers are to say how sure they are.

    Raises:
        UserError: another kind of judge.

    Source: Yang et al. 2023, "Alignment for honesty" (arXiv:2312.07000), section 3.
    """
    if not isinstance(judge, ConsistencyJudge):
        expected = "judge: consistency"
        raise UserError(
            f"{judge.name} does not say what is known", where="step known_answers", expected=expected
        )
    with work.progress("what is known", len(prompts)) as tick:
        found = told(judge, prompts, sure=sure, seed=work.settings.seed, tick=tick)
    return taken(work, found, "known answers")


def check(step: Bound, earlier: Mapping[str, Bound], where: str) -> None:
    """The judge can do what is needed."""
    judged_by(step, CONSISTENCY, "does not say what is known", where)


def forecast(rows: Sequence[float], settings: Settings, *, sure: str = "") -> Load:
    return Load(0.8 * rows[0], answers=rows[0] * max(settings.samples, 4))
