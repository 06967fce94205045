"""A judge of steps from few labels: how likely the model finds a step says how likely it is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, cast

from truenorth.judges.critic import Over
from truenorth.judges.step_confidence import StepConfidence
from truenorth.models.local import LocalModel
from truenorth.recipes.run_limits import Pattern, one_of
from truenorth.recipes.run_work import Load, Work
from truenorth.recipes.settings import Settings
from truenorth.recipes.steps.process_reward import OVERS
from truenorth.recipes.steps.step_labels import SEPARATOR, StepLabels
from truenorth.records import as_messages


def step_confidence(
    labels: StepLabels,
    model: LocalModel,
    work: Work,
    *,
    separator: Pattern = SEPARATOR,
    over: Annotated[str, one_of(OVERS)] = "lowest",
) -> StepConfidence:
    """A head on how likely the model, which is not changed, finds each step, fitted on the labels of steps.

    Args:
        separator: as for the labels. over: "lowest", "product", "last" or "mean".

    Source: Sun et al. 2024 (arXiv:2403.09472), a process reward model of easy problems used on hard ones; the head is
    ours.
    """
    told = [row.data for row in labels]
    prompts = [as_messages(d["prompt"]) if model.codec.turn else d["prompt"] for d in told]
    steps, shares = [d["completions"] for d in told], [[float(x) for x in d["labels"]] for d in told]
    name = f"step confidence, fitted on {len(told)} solutions"
    given = {"separator": separator, "over": cast(Over, over), "name": name}
    return StepConfidence.fit(model, prompts, steps, shares, **given)


def forecast(rows: Sequence[float], settings: Settings, **given: object) -> Load:
    return Load(0, reads=rows[0])
