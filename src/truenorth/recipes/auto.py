"""Successive halving over recipes and objectives, on prompts that training did not see, by judges, never by the oracle.

Every round runs the candidates that are left at twice the size, and keeps the better half. What is left in the end is
compared on five counts at once (helpful, honest, harmless, tax, cost): those that no other beats on all of them are
the answer, with intervals, for a person to choose from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from truenorth.base import UserError
from truenorth.recipes.run_budget import OutOfBudget
from truenorth.recipes.run_check import Bound, bound
from truenorth.recipes.run_recipe import Recipe, read_recipe
from truenorth.recipes.run_work import Have
from truenorth.stats import Estimate, Paired

Count = Literal["helpful", "honest", "harmless"]
COUNTS: tuple[Count, ...] = ("helpful", "honest", "harmless")


class Candidate(NamedTuple):
    """A recipe, with an objective for its last training in the place of its own; "" leaves its own."""

    recipe: Recipe
    objective: str = ""

    @property
    def name(self) -> str:
        return f"{self.recipe.name}+{self.objective}" if self.objective else self.recipe.name

    def steps(self) -> list[Bound]:
        return bound(self.recipe, {self.last: {"objective": self.objective}} if self.objective else None)

    @property
    def last(self) -> str:
        return [step.name for step in bound(self.recipe) if step.makes == "model"][-1]


@dataclass(frozen=True)
class Entry:
    """What a candidate came to in one round.

    Args:
        gains: count -> difference from the base on the same prompts; a count that no prompt is about is left out.
        tax: share of the prompts that the base answers rightly (greedily) and the candidate wrongly.
        cpu_s: CPU seconds of making it at this round's size.
        prompts: that judged.
        failed: why there is nothing.
    """

    name: str
    round: int
    gains: Mapping[Count, Paired] = field(default_factory=dict)
    tax: Estimate | None = None
    cpu_s: float = 0.0
    prompts: int = 0
    failed: str = ""

    @property
    def counts(self) -> tuple[float, ...]:
        """Higher is better: gains, then the tax and the cost with a minus."""
        assert self.tax is not None
        return (*(g.difference for g in self.gains.values()), -self.tax.mean, -self.cpu_s)

    @property
    def worth(self) -> float:
        """One number to break ties within a layer: mean gain without the tax, in [-2, 1]."""
        assert self.tax is not None
        return sum(g.difference for g in self.gains.values()) / max(1, len(self.gains)) - self.tax.mean


class Search(NamedTuple):
    """All rounds. `front`: names of the Pareto set of the last round; `spent`: why it ended early, or ""."""

    rounds: tuple[tuple[Entry, ...], ...]
    front: tuple[str, ...]
    spent: str = ""

    @property
    def last(self) -> tuple[Entry, ...]:
        return self.rounds[-1] if self.rounds else ()


Make = Callable[[Candidate, int], Entry]  # a candidate at the size of a round


def candidates(names: Sequence[str], objectives: Sequence[str], have: Have) -> list[Candidate]:
    """Every recipe that can run, with its own objective and, where its last training takes pairs, each other one.

    Raises:
        UserError: an unknown recipe or objective, or none that can run.
    """
    from truenorth.recipes.plan import lacking, without_models

    found: list[Candidate] = []
    reasons = []
    for name in names:
        recipe = read_recipe(name)
        steps = bound(recipe)
        if why := lacking(steps, have) or without_models(recipe, have):
            reasons.append(f"{name}: {why}")
            continue
        found.append(Candidate(recipe))
        for objective in objectives:
            other = Candidate(recipe, objective)
            if objective != _objective(steps[-1]) and _takes_pairs(steps):
                other.steps()  # refuses an objective that does not fit
                found.append(other)
    if not found:
        raise UserError("no recipe can run", where="auto", expected="; ".join(reasons))
    return found


def _objective(step: Bound) -> str:
    return str(step.settings.get("objective") or "dpo")


def _takes_pairs(steps: Sequence[Bound]) -> bool:
    made = {step.name: step.columns or () for step in steps}
    rows = next((wire.of for wire in steps[-1].wires if wire.takes == "rows"), ())
    return bool(rows) and all("rejected" in made[name] for name in rows)


def halve(
    found: Sequence[Candidate], make: Make, *, rounds: int, say: Callable[[str], None] = print
) -> Search:
    """The rounds. A round that the budget ends is left out, unless it is the first.

    A candidate that fails is out, with the reason; the others go on.
    """
    left = list(found)
    told: list[tuple[Entry, ...]] = []
    for number in range(rounds):
        entries: list[Entry] = []
        try:
            for candidate in left:
                entries.append(_made(candidate, number, make))
                say(f"round {number + 1} of {rounds}: {candidate.name} {entries[-1].failed or 'done'}")
        except OutOfBudget as spent:
            if not told and entries:
                told.append(tuple(entries))
            return Search(tuple(told), front(told[-1]) if told else (), str(spent))
        told.append(tuple(entries))
        kept = best_half(entries) if number + 1 < rounds else entries
        left = [c for c in left if c.name in {entry.name for entry in kept}]
        if not left:
            break
    return Search(tuple(told), front(told[-1]))


def _made(candidate: Candidate, number: int, make: Make) -> Entry:
    try:
        return make(candidate, number)
    except UserError as error:
        return Entry(candidate.name, number, failed=str(error))


def best_half(entries: Sequence[Entry]) -> list[Entry]:
    """Half of them, rounded up: whole Pareto layers first, and of the layer that is cut those of most worth."""
    left = [entry for entry in entries if not entry.failed]
    wanted = (len(left) + 1) // 2
    kept: list[Entry] = []
    while len(kept) < wanted:
        layer = [entry for entry in left if entry.name in front(left)]
        layer.sort(key=lambda entry: -entry.worth)
        kept += layer[: wanted - len(kept)]
        left = [entry for entry in left if entry not in layer]
    return kept


def front(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Names of those that no other is at least as good as on every count and better on one."""
    known = [entry for entry in entries if not entry.failed]
    return tuple(one.name for one in known if not any(dominates(other.counts, one.counts) for other in known))


def dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    """
    >>> dominates((1, 2), (1, 1)), dominates((1, 2), (2, 1)), dominates((1, 1), (1, 1))
    (True, False, False)
    """
    return all(x >= y for x, y in zip(a, b, strict=True)) and any(x > y for x, y in zip(a, b, strict=True))
