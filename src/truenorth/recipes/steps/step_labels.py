"""Which steps of worked solutions are right, found out by going on from each of them many times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from truenorth.judges import VerifiableJudge
from truenorth.models.protocol import Model
from truenorth.recipes.run_limits import Count, Pattern, Positive, one_of
from truenorth.recipes.run_rows import taken
from truenorth.recipes.run_work import Answers, Load, Work
from truenorth.recipes.settings import Settings
from truenorth.recipes.steps.problems import Problems
from truenorth.records import Row
from truenorth.synth.rollouts import rollout_labels

SEPARATOR = r"(?<=\d), |\n+"  # lines, or sums in one line
StepLabels = Annotated[list[Row], "prompt", "completions", "labels"]


def step_labels(
    answers: Answers,
    problems: Problems,
    model: Model,
    work: Work,
    *,
    n: Count = 8,
    separator: Pattern = SEPARATOR,
    labels: Annotated[str, one_of(("soft", "hard"))] = "soft",
    temperature: Positive = 1.0,
) -> StepLabels:
    """Each answer's steps with their labels: how often the model reaches the problem's answer from there (`soft`), or
    whether it ever does (`hard`), in `n` tries.

    Args:
        separator: a pattern between two steps.

    Source: Wang et al. 2024, "Math-Shepherd" (arXiv:2312.08935), equations 3 and 4.
    """
    judge = VerifiableJudge.of_rows([row.data for row in problems])
    with work.progress("solutions gone on with", len(answers)) as tick:
        found = rollout_labels(
            model,
            answers,
            judge,
            n=n,
            separator=separator,
            labels="soft" if labels == "soft" else "hard",
            max_tokens=work.settings.max_tokens,
            temperature=temperature,
            seed=work.settings.seed,
            tick=tick,
        )
    return taken(work, found, "step labels")


def forecast(rows: Sequence[float], settings: Settings, *, n: int = 8, **given: object) -> Load:
    return Load(rows[0], answers=2 * n * rows[0])
