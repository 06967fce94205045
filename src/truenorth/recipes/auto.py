"""Successive halving over recipes and objectives, on prompts that training did not see, by judges, never by the oracle.

Every round runs the candidates that are left at twice the size, and keeps the better half. The last round is judged on
prompts that no round before it saw: those that were left owe it partly to luck on the others. What is left in the end
is compared on five counts at once (helpful, honest, harmless, tax, cost): those that no other beats on all of them are
the answer, with intervals and with how often chance would have it otherwise, for a person to choose from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from truenorth.base import UserError
from truenorth.recipes.run import trained_last
from truenorth.recipes.run_budget import OutOfBudget
from truenorth.recipes.run_check import Bound, bound
from truenorth.recipes.run_recipe import Recipe, read_recipe
from truenorth.recipes.run_work import Have
from truenorth.stats import Estimate, Paired

Count = Literal["helpful", "honest", "harmless"]
COUNTS: tuple[Count, ...] = ("helpful", "honest", "harmless")
SLACK = 1.1  # costs within a tenth of each other are equal: they vary by as much from run to run


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
        return trained_last(bound(self.recipe)).name


@dataclass(frozen=True)
class Entry:
    """What a candidate came to in one round.

    Args:
        gains: count -> difference from the base on the same prompts; a count that no prompt is about is left out, and
            one on which the candidate has no verdict has n = 0.
        tax: share of the prompts that the base answers rightly (greedily) and the candidate wrongly.
        cpu_s: CPU seconds of making it at this round's size.
        prompts: that judged.
        failed: why there is nothing.
        moved: count, or "tax" -> prompt -> what its gain or tax is the mean of.
        clusters: prompt -> which other prompts it belongs with; one that is not there stands alone.
    """

    name: str
    round: int
    gains: Mapping[Count, Paired] = field(default_factory=dict)
    tax: Estimate | None = None
    cpu_s: float = 0.0
    prompts: int = 0
    failed: str = ""
    moved: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    clusters: Mapping[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> tuple[float, ...]:
        """Higher is better: the three gains, then the tax with a minus. What nobody could tell is minus infinity: it
        beats nothing."""
        gains = [self.gains[c].difference if c in self.gains else np.nan for c in COUNTS]
        return tuple(-np.inf if np.isnan(v) else v for v in (*gains, -self._tax))

    @property
    def worth(self) -> float:
        """One number to break ties within a layer: mean gain without the tax, in [-2, 1]. What nobody could tell counts
        as the worst: a loss of 1, a tax of 1."""
        gains = [g.difference if g.n else -1.0 for g in self.gains.values()]
        return sum(gains) / max(1, len(gains)) - (1.0 if np.isnan(self._tax) else self._tax)

    @property
    def _tax(self) -> float:
        return self.tax.mean if self.tax else float("nan")


class Search(NamedTuple):
    """All rounds. `front`: names of the Pareto set of the last round; `spent`: why it ended early, or ""; `steady`:
    name -> share of draws of the prompts in which it is in the set."""

    rounds: tuple[tuple[Entry, ...], ...]
    front: tuple[str, ...]
    spent: str = ""
    steady: Mapping[str, float] = {}

    @property
    def last(self) -> tuple[Entry, ...]:
        return self.rounds[-1] if self.rounds else ()


Make = Callable[[Candidate, int], Entry]  # a candidate at the size of a round


def candidates(names: Sequence[str], objectives: Sequence[str], have: Have) -> list[Candidate]:
    """Every recipe that can run, with its own objective and, where its last training takes pairs, each other one.

    Raises:
        UserError: an unknown recipe or objective, or none that can run.
    """
    from truenorth.recipes.at_hand import lacking, without_models

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
            if objective != _objective(trained_last(steps)) and _takes_pairs(steps):
                other.steps()  # refuses an objective that does not fit
                found.append(other)
    if not found:
        raise UserError("no recipe can run", where="auto", expected="; ".join(reasons))
    return found


def _objective(step: Bound) -> str:
    return str(step.settings.get("objective") or "dpo")


def _takes_pairs(steps: Sequence[Bound]) -> bool:
    made = {step.name: step.columns or () for step in steps}
    rows = next((wire.of for wire in trained_last(steps).wires if wire.takes == "rows"), ())
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
            return searched(told, str(spent))
        told.append(tuple(entries))
        kept = best_half(entries) if number + 1 < rounds else entries
        left = [c for c in left if c.name in {entry.name for entry in kept}]
        if not left:
            break
    return searched(told)


def searched(rounds: Sequence[Sequence[Entry]], spent: str = "") -> Search:
    """What the rounds come to."""
    last = rounds[-1] if rounds else ()
    return Search(tuple(tuple(entries) for entries in rounds), front(last), spent, steadiness(last))


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
    """Names of those that no other beats."""
    known = [entry for entry in entries if not entry.failed]
    if not known:
        return ()
    beaten_E = beaten(np.array([[e.counts for e in known]]), np.array([e.cpu_s for e in known]))[0]
    return tuple(entry.name for entry, lost in zip(known, beaten_E, strict=True) if not lost)


def steadiness(entries: Sequence[Entry], *, draws: int = 1000, seed: int = 0) -> dict[str, float]:
    """How often each is in the front when the prompts that judged are drawn again, the same for all candidates.

    A bootstrap over clusters of prompts (Efron 1979; Field and Welsh 2007): the front of one set of prompts depends on
    chance, and this says how much. A draw without any verdict on a count is as bad there as can be.
    """
    known = [entry for entry in entries if not entry.failed and entry.moved]
    prompts = sorted({key for entry in known for values in entry.moved.values() for key in values})
    if not prompts:
        return {}
    names = list(dict.fromkeys(name for entry in known for name in entry.moved))
    member = {prompt: cluster for entry in known for prompt, cluster in entry.clusters.items()}
    labels, code_P = np.unique([member.get(prompt, prompt) for prompt in prompts], return_inverse=True)
    groups = len(labels)
    rng = np.random.default_rng(seed)
    weight_BP = rng.multinomial(groups, np.full(groups, 1 / groups), size=draws)[:, code_P]
    value_ECP = np.array(
        [[[e.moved.get(n, {}).get(p, np.nan) for p in prompts] for n in names] for e in known]
    )
    known_ECP = ~np.isnan(value_ECP)
    total_BEC = np.einsum("bp,ecp->bec", weight_BP, np.where(known_ECP, value_ECP, 0.0))
    drawn_BEC = np.einsum("bp,ecp->bec", weight_BP, known_ECP)
    sign_C = np.array([-1.0 if name == "tax" else 1.0 for name in names])
    mean_BEC = np.where(drawn_BEC > 0, sign_C * total_BEC / np.maximum(1, drawn_BEC), -np.inf)
    in_E = 1 - beaten(mean_BEC, np.array([e.cpu_s for e in known])).mean(axis=0)
    return {entry.name: float(share) for entry, share in zip(known, in_E, strict=True)}


def beaten(count_BEC: np.ndarray, cost_E: np.ndarray) -> NDArray[np.bool_]:
    """Whether another candidate is at least as good on every count and on the cost, and better on one. `[B, E]`.

    Args:
        count_BEC: B times the counts of E candidates; higher is better.
        cost_E: lower is better, and what is within `SLACK` is equal.

    >>> beaten(np.array([[[1, 1], [1, 2], [2, 1]]]), np.array([10.0, 10.5, 30.0])).tolist()
    [[True, False, False]]
    """
    mine, theirs = count_BEC[:, :, None, :], count_BEC[:, None, :, :]
    cheaper_EE = cost_E[None, :] * SLACK < cost_E[:, None]  # [mine, theirs]
    dearer_EE = cost_E[None, :] > SLACK * cost_E[:, None]
    as_good = (theirs >= mine).all(-1) & ~dearer_EE
    better = (theirs > mine).any(-1) | cheaper_EE
    return np.asarray((as_good & better).any(axis=-1))
