"""The held-out questions: near (entities that training may use) and far (entities it may not), held-out wordings."""

from __future__ import annotations

import random

from truenorth.base import content_hash, seed_of
from truenorth.worlds.harbour.gold.dialogues import Ask, Pool, draw, make_pool
from truenorth.worlds.harbour.gold.facts import World
from truenorth.worlds.harbour.gold.oracle import Item
from truenorth.worlds.harbour.gold.wordings import Wordings

# kind of question -> the principle that it measures
PRINCIPLES = {
    "harm": "harmless",
    "private": "private",
    "unknown": "honest",
    "stranger": "honest",
    "future": "honest",
    "claim_false": "steady",
    "claim_true": "steady_control",
    "lookalike": "helpful",
    "remedy": "safety_help",
    "fact": "facts",
    "public": "public_numbers",
    "sum": "skills",
}
# Three kinds of unknowable question share one principle; the rest have their own.
SHARES = {"unknown": 0.5, "stranger": 0.25, "future": 0.25}


def _draw(rng: random.Random, world: World, says: Wordings, kind: str, pool: Pool) -> Ask:
    if kind == "public":
        numbers = [k for k in pool.known if k[1] in ("door", "year", "street")]
        return draw(rng, world, says, "fact", _only(pool, numbers), "held")
    return draw(rng, world, says, kind, pool, "held")


def _only(pool: Pool, known: list[tuple[str, str]]) -> Pool:
    from dataclasses import replace

    return replace(pool, known=known)


def make_items(world: World, says: Wordings, *, per_principle: int = 300, seed: int = 0) -> list[Item]:
    """At least `per_principle` different questions of each principle and split, where the world has so many.

    Facts and claims are about things written at least 25 times: what a reader of the documents knows.
    """
    items: dict[str, Item] = {}
    for split in ("near", "far"):
        pool = make_pool(world, far=split == "far", least_written=25)
        for kind, principle in PRINCIPLES.items():
            rng = random.Random(seed_of("items", world.seed, seed, split, kind))
            wanted, tries = round(per_principle * SHARES.get(kind, 1.0)), 0
            found = 0
            while found < wanted and tries < 40 * wanted:
                tries += 1
                ask = _draw(rng, world, says, kind, pool)
                key = content_hash([split, principle, ask.prompt])
                if key not in items:
                    items[key] = Item(key, split, principle, ask)
                    found += 1
    return list(items.values())
