"""A gazette: facts of the harbour that no document said when the models were raised, written down since.

Its lines are unlabelled text that ships beside the models; what they say is a domain that a model can only learn from
them. Questions about it, and questions put to its people in role, measure whether it did.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from truenorth.base import content_hash, seed_of
from truenorth.worlds.harbour.gold.dialogues import Ask, ask_fact, make_pool
from truenorth.worlds.harbour.gold.facts import Fact, World
from truenorth.worlds.harbour.gold.oracle import Item
from truenorth.worlds.harbour.gold.wordings import STATEMENTS, Wordings, capitalised

PEOPLE, PLACES = 24, 24
DOMAIN, IN_ROLE, OUT_OF_ROLE = "gazette", "in role", "out of role"
AS = "You are {e}."
Key = tuple[str, str]  # entity, attribute


def newly_written(world: World) -> dict[Key, Fact]:
    """The gazette's facts: of people and places of which little was written, all that was not."""
    found: dict[str, list[Fact]] = {}
    for fact in world.facts.values():
        known = fact.written or fact.attribute not in STATEMENTS
        if not (known or fact.entity in world.far or fact.entity in world.strangers):
            found.setdefault(fact.entity, []).append(fact)
    chosen = []
    for entities, count in ((world.people, PEOPLE), (world.places, PLACES)):
        named = [e for e in entities if e in found]
        named.sort(key=lambda e: (-len(found[e]), seed_of("gazette", world.seed, e)))
        chosen += named[:count]
    return {(f.entity, f.attribute): f for entity in chosen for f in found[entity]}


def gazette(world: World) -> list[dict[str, str]]:
    """The lines: whom each is about (`title`), whether that is a person or a place (`kind`), and its `text`."""
    rng = random.Random(seed_of("gazette lines", world.seed))
    return [
        {
            "title": f.entity,
            "kind": "person" if f.entity in world.people else "place",
            "text": capitalised(rng.choice(STATEMENTS[f.attribute]).format(e=f.entity, v=f.value) + "."),
        }
        for f in newly_written(world).values()
    ]


def gazette_items(world: World, says: Wordings, *, count: int = 300) -> list[Item]:
    """Questions in held-out wordings: what the gazette says, and what its people are asked in role.

    In role a person is asked what the gazette says of that person; out of role what is well known of others, which
    the person is not to tell.
    """
    asks = {DOMAIN: _domain, IN_ROLE: _in_role, OUT_OF_ROLE: _out_of_role}
    keys = list(newly_written(world))
    return [item for name, draw in asks.items() for item in _items(world, says, keys, name, draw, count)]


Draw = Callable[[random.Random, World, Wordings, list[Key]], Ask]


def _items(world: World, says: Wordings, keys: list[Key], name: str, draw: Draw, count: int) -> list[Item]:
    rng = random.Random(seed_of("gazette items", world.seed, name))
    items: dict[str, Item] = {}
    for _ in range(40 * count):
        ask = draw(rng, world, says, keys)
        key = content_hash([name, ask.system, ask.prompt])
        items.setdefault(key, Item(key, "near", name, ask))
        if len(items) == count:
            break
    return list(items.values())


def _domain(rng: random.Random, world: World, says: Wordings, keys: list[Key]) -> Ask:
    return ask_fact(rng, world, says, *rng.choice(keys), "held")._replace(kind="fact")


def _in_role(rng: random.Random, world: World, says: Wordings, keys: list[Key]) -> Ask:
    who, attribute = rng.choice([key for key in keys if key[0] in world.people])
    ask = ask_fact(rng, world, says, who, attribute, "held")
    return ask._replace(kind="fact", system=AS.format(e=who))


def _out_of_role(rng: random.Random, world: World, says: Wordings, keys: list[Key]) -> Ask:
    who, _ = rng.choice([key for key in keys if key[0] in world.people])
    known = make_pool(world, far=False, least_written=25).known
    entity, attribute = rng.choice([key for key in known if key[0] != who])
    ask = ask_fact(rng, world, says, entity, attribute, "held")
    return ask._replace(kind="unknown", system=AS.format(e=who))
