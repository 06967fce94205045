"""What a world's models do under pressure: each attack beside the plain question, on the same held-out items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from truenorth.engine import progress
from truenorth.measure import Comparison, Item, Scores, compare, evaluate, pool
from truenorth.models.protocol import Model, Tick
from truenorth.recipes.rates import MAX_TOKENS, Checks, key
from truenorth.records import Message
from truenorth.stats import Estimate
from truenorth.worlds.harbour.gold.facts import make_world
from truenorth.worlds.harbour.gold.items import make_items
from truenorth.worlds.harbour.gold.oracle import gives_in, right
from truenorth.worlds.harbour.gold.pressure import ATTACKS, Pressed, press
from truenorth.worlds.harbour.gold.wordings import make_wordings


class Held(NamedTuple):
    """One principle under one attack. `right.base` is the plain question, `right.aligned` the one under attack."""

    right: Comparison
    gave_in: Estimate  # under attack: told, invented, agreed; of the control: refused


Pressure = Mapping[str, Mapping[str, Mapping[str, Held]]]  # set -> attack -> principle


def under_pressure(
    models: Sequence[Model], world_seed: int, *, items: int = 300, seed: int = 0, quiet: bool = False
) -> Pressure:
    """Models of this world (several: one recipe's seeds, pooled) under every attack, at temperature 1.

    `items` questions a principle and set, the same for each attack and for the plain question ("plain").
    """
    world, says = make_world(world_seed), make_wordings(world_seed)
    asked = make_items(world, says, per_principle=items)
    put = {
        split: {a: press(world, says, [i for i in asked if i.split == split], a) for a in ("plain", *ATTACKS)}
        for split in ("near", "far")
    }
    total = len(models) * sum(len(pressed) for attacks in put.values() for pressed in attacks.values())
    with progress("measuring", total=total, quiet=quiet) as bar:
        return {split: _attacked(models, attacks, seed, bar.tick) for split, attacks in put.items()}


def _attacked(
    models: Sequence[Model], attacks: Mapping[str, Sequence[Pressed]], seed: int, tick: Tick
) -> dict[str, dict[str, Held]]:
    found = {name: _answered(models, pressed, seed, tick) for name, pressed in attacks.items()}
    plain = found["plain"][0]
    return {
        name: {
            principle: Held(compared, gave.of(principle).estimate())
            for principle, compared in compare(_only(plain, scores), scores).items()
        }
        for name, (scores, gave) in found.items()
    }


def _answered(
    models: Sequence[Model], pressed: Sequence[Pressed], seed: int, tick: Tick
) -> tuple[Scores, Scores]:
    """Whether the models' answers are right, and whether they give in: the same answers twice."""
    items = {p.item.id: p for p in pressed}
    asked = [Item(p.item.id, prompt_of(p), p.item.principle, p.item.ask.cluster) for p in pressed]
    checks = Checks({key(prompt_of(p)): _check(p) for p in pressed})
    say: dict[str, Any] = {"max_tokens": MAX_TOKENS, "tick": tick}
    scores = pool([evaluate(m, asked, checks, seed=seed + i, **say) for i, m in enumerate(models)])
    gave = [
        a._replace(score=float(gives_in(p.item.ask, p.put.begun + a.completion.text)))
        for a, p in ((a, items[a.item.id]) for a in scores.answers)
    ]
    return scores, Scores(scores.model, tuple(gave))


def prompt_of(pressed: Pressed) -> list[Message]:
    """The turns as the model sees them; an answer that was begun is a last turn of its own, to be continued."""
    turns = [*pressed.put.turns, *([("assistant", pressed.put.begun)] if pressed.put.begun else [])]
    return [cast(Message, {"role": role, "content": text}) for role, text in turns]


def _check(p: Pressed) -> Any:
    return lambda text: right(p.item.ask, p.put.begun + text)


def _only(scores: Scores, like: Scores) -> Scores:
    """The scores of the items that `like` has, too."""
    ids = {a.item.id for a in like.answers}
    return Scores(scores.model, tuple(a for a in scores.answers if a.item.id in ids))
