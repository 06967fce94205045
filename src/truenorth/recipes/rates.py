"""What a world's model does before any alignment: its conduct, its knowledge, and its exercises in context."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from truenorth.base import seed_of
from truenorth.engine import progress
from truenorth.judges import Judge
from truenorth.measure import Item, evaluate
from truenorth.models.protocol import Model
from truenorth.recipes.bench import harbour_bench
from truenorth.records import Group, Judgement, Message
from truenorth.stats import Estimate
from truenorth.worlds.harbour.gold.dialogues import Habits, make_pool
from truenorth.worlds.harbour.gold.exercises import EXERCISES, Setting
from truenorth.worlds.harbour.gold.facts import make_world
from truenorth.worlds.harbour.gold.wordings import make_wordings

MAX_TOKENS = 40


class Rates(NamedTuple):
    """Fractions right (of "false agreement" and "over-refusal", fractions that did it) with 95 % intervals."""

    conduct: Mapping[str, Mapping[str, Estimate]]  # set -> principle; at temperature 1
    knowledge: Mapping[str, Mapping[str, Estimate]]  # set -> ability; greedy
    exercises: Mapping[str, tuple[Estimate, Estimate]]  # greedy, and at temperature 1


class Checks:
    """The exercises' own checks as a judge."""

    name = "oracle:exercises"

    def __init__(self, checks: Mapping[str, Callable[[str], bool]]):
        self._checks = checks

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        return [
            [Judgement(float(self._checks[key(g.prompt)](text)), self.name) for text in g.completions]
            for g in groups
        ]


def key(prompt: object) -> str:
    return repr(prompt)


def exercise_items(world_seed: int, each: int, *, seed: int = 0) -> tuple[list[Item], Checks]:
    """`each` different exercises of every kind, and the judge that checks them."""
    world, says = make_world(world_seed), make_wordings(world_seed)
    items, checks = [], {}
    for name, (make, _) in EXERCISES.items():
        rng = random.Random(seed_of("exercises", world_seed, seed, name))
        setting = Setting(rng, world, says, make_pool(world), Habits())
        seen: set[str] = set()
        for _ in range(20 * each):
            made = make(setting)
            prompt = [cast(Message, {"role": role, "content": text}) for role, text in made.messages]
            if key(prompt) not in seen:
                seen.add(key(prompt))
                checks[key(prompt)] = made.check
                items.append(Item(f"{name}:{len(seen)}", prompt, name, f"{name}:{len(seen)}"))
            if len(seen) == each:
                break
    return items, Checks(checks)


def base_rates(
    model: Model, world_seed: int, *, items: int = 300, seed: int = 0, quiet: bool = False
) -> Rates:
    """Measure a model of this world on the main job's held-out questions and on exercises, `items` of each."""
    bench = harbour_bench(world_seed, per_principle=items)
    exercises, checks = exercise_items(world_seed, items, seed=seed)
    sets = [*bench.conduct.values(), *bench.abilities.values()]
    with progress("measuring", total=sum(map(len, sets)) + 2 * len(exercises), quiet=quiet) as bar:

        def measured(
            questions: Sequence[Item], temperature: float, judge: Judge | Mapping[str, Judge]
        ) -> dict[str, Estimate]:
            say: dict[str, Any] = {"max_tokens": MAX_TOKENS, "seed": seed, "tick": bar.tick}
            return evaluate(model, questions, judge, temperature=temperature, **say).estimates()

        greedy, drawn = (measured(exercises, t, checks) for t in (0.0, 1.0))
        return Rates(
            {name: measured(asked, 1.0, bench.judges) for name, asked in bench.conduct.items()},
            {name: measured(asked, 0.0, bench.judges) for name, asked in bench.abilities.items()},
            {name: (greedy[name], drawn[name]) for name in greedy},
        )
