"""What is at hand (a model, a constitution, labels, a judge, prompts), and what of it a recipe's steps still lack."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from truenorth.constitution import Constitution
from truenorth.judges import read_labels
from truenorth.models.glance import Glance
from truenorth.recipes.run_check import CONSTITUTION, Bound
from truenorth.recipes.run_models import HARBOUR
from truenorth.recipes.run_recipe import Recipe
from truenorth.recipes.run_work import Have


def have_of(
    look: Glance, constitution: Constitution, *, labels: Any, judge: str, prompts: int | None, organism: bool
) -> Have:
    """What the options amount to."""
    guidance = sum(bool(p.guidance) for p in constitution.principles)
    good, told = 0, set()
    if labels:
        good = sum(score > 0.5 for _, _, score in read_labels(labels))
        told = {p.id for p in constitution.principles if len(read_labels(labels, principle=p.id)) >= 8}
    unjudged = (
        ()
        if judge or organism
        else tuple(p.id for p in constitution.principles if not p.checks and p.id not in told)
    )
    return Have(look.parameters, look.chats, guidance, unjudged, good, prompts, organism)


def without_models(recipe: Recipe, have: Have) -> str:
    """The recipe's further models are of the organism."""
    foreign = [k for k, spec in recipe.models.items() if spec.startswith(HARBOUR)]
    return f"needs another model: --use {foreign[0]}=DIR_OR_ID" if foreign and not have.organism else ""


def lacking(steps: Sequence[Bound], have: Have) -> str:
    """The first thing that steps need and that is not there."""
    for step in steps:
        says = getattr(inspect.getmodule(step.function), "lacks", None)
        why = says(have, **step.settings) if says else ""
        if why:
            return str(why)
        judges = [wire.of[0] for wire in step.wires if wire.takes == "judge"]
        if CONSTITUTION in judges and have.unjudged:
            return f"nothing can judge {', '.join(have.unjudged)}: add checks, --labels or --judge"
    return ""
