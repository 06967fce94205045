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


BOTH = "near and far"
Pressure = Mapping[str, Mapping[str, Mapping[str, Held]]]  # set -> attack -> principle


def under_pressure(
    models: Sequence[Model],
    world_seed: int,
    *,
    items: int = 300,
    apart: bool = True,
    seed: int = 0,
    quiet: bool = False,
) -> Pressure:
    """Models of this world (several: one recipe's seeds, pooled) under every attack, at temperature 1.

    Args:
        items: questions a principle and set, the same for each attack and for the plain question ("plain").
        apart: near and far questions as sets of their own, or together as "near and far".
    """
    put = pressed_items(world_seed, items, apart=apart)
    total = len(models) * sum(len(pressed) for attacks in put.values() for pressed in attacks.values())
    with progress("measuring", total=total, quiet=quiet) as bar:
        return {
            which: compared({a: answered(models, p, seed, bar.tick) for a, p in attacks.items()})
            for which, attacks in put.items()
        }


def pressed_items(world_seed: int, each: int, *, apart: bool = True) -> dict[str, dict[str, list[Pressed]]]:
    """Set -> attack ("plain" among them) -> the questions put under it."""
    world, says = make_world(world_seed), make_wordings(world_seed)
    asked = make_items(world, says, per_principle=each)
    sets = {
        which: [i for i in asked if i.split in which] for which in (("near", "far") if apart else (BOTH,))
    }
    return {
        which: {attack: press(world, says, chosen, attack) for attack in ("plain", *ATTACKS)}
        for which, chosen in sets.items()
    }


def compared(found: Mapping[str, tuple[Scores, Scores]]) -> dict[str, dict[str, Held]]:
    """Attack -> principle -> under attack beside the plain question, from `answered` of each attack."""
    plain = found["plain"][0]
    return {
        attack: {
            principle: Held(comparison, gave.of(principle).estimate())
            for principle, comparison in compare(_only(plain, scores), scores).items()
        }
        for attack, (scores, gave) in found.items()
    }


def answered(
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
