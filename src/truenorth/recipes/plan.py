"""Which recipe to run with what is at hand: model, constitution, labels, judge, prompts, and a budget of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from truenorth.models.glance import Glance
from truenorth.recipes.at_hand import lacking, without_models
from truenorth.recipes.run_check import CONSTITUTION, SELF, Bound, bound
from truenorth.recipes.run_forecast import MEASURED, cost
from truenorth.recipes.run_recipe import Recipe, read_recipe, recipe_names
from truenorth.recipes.run_work import Have
from truenorth.recipes.settings import Settings

LEAST_PROMPTS, LEAST_STEPS = 150, 30  # below this the organism's effects are no longer to be seen
JUDGES_FROM = 1_000_000_000  # parameters; smaller models' own ratings are to be checked first
SPARE = 0.8  # of the budget: forecasts are rough


@dataclass(frozen=True)
class Proposal:
    """A recipe with the sizes that fit the budget.

    Args:
        lacks: why it cannot be run; "" if it can.
        judged: by the constitution.
        cpu_s: forecast at these sizes, of one core.
    """

    recipe: Recipe
    settings: Settings
    cpu_s: float
    memory_mib: float
    lacks: str = ""
    cautions: tuple[str, ...] = ()
    judged: bool = False
    fits: bool = True
    reduced: bool = False


class Plan(NamedTuple):
    """Proposals, best first; those that cannot run; and what would open more or better ones."""

    have: Have
    proposals: tuple[Proposal, ...]
    impossible: tuple[Proposal, ...]
    better_with: tuple[str, ...]


def plan(have: Have, look: Glance, settings: Settings, *, budget_s: float | None, cores: int = 1) -> Plan:
    """Every shipped recipe, looked at.

    Args:
        settings: those of the model; a recipe's sizes are cut to fit the budget, never below what shows an effect.
        budget_s: seconds on the clock; None asks no limit.
    """
    found = [proposal(read_recipe(name), have, look, settings, budget_s, cores) for name in recipe_names()]
    can = sorted((p for p in found if not p.lacks), key=rank)
    cannot = tuple(p for p in found if p.lacks)
    return Plan(have, tuple(can), cannot, tuple(more(have, can, cannot)))


def proposal(
    recipe: Recipe, have: Have, look: Glance, settings: Settings, budget_s: float | None, cores: int
) -> Proposal:
    """One recipe at the largest size that the budget allows."""
    steps = bound(recipe)
    whole = replace(settings, **{k: _number(v, getattr(settings, k)) for k, v in sizes(recipe, have).items()})
    allowed = None if budget_s is None else SPARE * budget_s * cores
    share, told = 1.0, whole
    found = cost(steps, told, look, questions=MEASURED * told.items)
    while allowed is not None and found.cpu_s > allowed and not smallest(told):
        share *= 0.8
        told = scaled(whole, share)
        found = cost(steps, told, look, questions=MEASURED * told.items)
    return Proposal(
        recipe,
        told,
        found.cpu_s,
        found.memory_mib,
        lacks=lacking(steps, have) or without_models(recipe, have),
        cautions=tuple(cautions(steps, have)),
        judged=any(CONSTITUTION in wire.of for step in steps if step.makes == "rows" for wire in step.wires),
        fits=allowed is None or found.cpu_s <= allowed,
        reduced=told != whole,
    )


def sizes(recipe: Recipe, have: Have) -> Mapping[str, Any]:
    """The recipe's own settings are those of the organism."""
    return recipe.settings if have.organism else {}


def _number(value: Any, like: Any) -> Any:
    return type(like)(value)


def scaled(
    whole: Settings, share: float, *, prompts: int = LEAST_PROMPTS, steps: int = LEAST_STEPS
) -> Settings:
    """Fewer prompts, training steps and questions, but no fewer than stated."""
    return replace(
        whole,
        prompts=max(min(prompts, whole.prompts), round(whole.prompts * share)),
        steps=max(min(steps, whole.steps), round(whole.steps * share)),
        items=max(min(100, whole.items), round(whole.items * share)),
    )


def smallest(settings: Settings) -> bool:
    return settings.prompts <= LEAST_PROMPTS and settings.steps <= LEAST_STEPS and settings.items <= 100


def cautions(steps: Sequence[Bound], have: Have) -> list[str]:
    """What may go wrong with it here."""
    selfish = any(w.of and w.of[0].startswith(SELF) for s in steps for w in s.wires if w.takes == "judge")
    if selfish and have.parameters < JUDGES_FROM and not have.organism:
        size = f"{have.parameters:,} parameters"
        return [f"a model of {size} judges itself: hold it against labels first (truenorth judge card)"]
    return []


def rank(proposal: Proposal) -> tuple[Any, ...]:
    """What fits the budget first, without cautions before others; then what was measured to be worth its price, by
    how much; then what was not measured, of it first what the constitution judges, and the cheaper; then the rest."""
    gold = proposal.recipe.gold
    pays = gold is not None and gold.low * gold.high > 0 and gold.worth > 0
    order = 1 if gold is None else 0 if pays else 2
    worth = gold.worth if gold else 0.0
    plain = (not proposal.fits, len(proposal.cautions), order, -worth)
    return (*plain, not proposal.judged, proposal.cpu_s, proposal.recipe.name)


def more(have: Have, can: Sequence[Proposal], cannot: Sequence[Proposal]) -> list[str]:
    """What would be better with more."""
    told = []
    blocked = {
        why: [p.recipe.name for p in cannot if p.lacks == why]
        for why in dict.fromkeys(p.lacks for p in cannot)
    }
    told += [f"{', '.join(names)}: {why}" for why, names in blocked.items()]
    if not have.labels:
        told.append("a few dozen rated answers (--labels) would show how far each judge can be trusted")
    reduced = [p for p in can if p.reduced]
    if reduced and reduced[0] is can[0]:
        told.append(f"a larger budget would let {can[0].recipe.name} learn from more prompts")
    return told
