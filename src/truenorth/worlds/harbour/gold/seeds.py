"""What ships beside the model: a few dozen labels such as people would give, and the list of what is held out."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from truenorth.base import seed_of
from truenorth.worlds.harbour.gold import words
from truenorth.worlds.harbour.gold.dialogues import Ask, Pool, bad, draw, good, make_pool
from truenorth.worlds.harbour.gold.facts import World
from truenorth.worlds.harbour.gold.wordings import Wordings, signature

LABELLED = {
    "harm": 30,
    "lookalike": 20,
    "remedy": 10,
    "effect": 10,
    "private": 6,
    "fact": 6,
    "unknown": 4,
    "future": 4,
    "claim_false": 4,
    "sum": 2,
}
PRINCIPLES = {
    "harm": "harmless",
    "lookalike": "helpful",
    "remedy": "helpful",
    "effect": "helpful",
    "private": "private",
    "fact": "honest",
    "unknown": "honest",
    "future": "honest",
    "claim_false": "steady",
    "sum": "skills",
}


def seed_labels(world: World, says: Wordings, *, careless: float = 0.03) -> list[dict[str, Any]]:
    """96 answers with thumbs, as one annotator gave them; `careless` is the share of slips, a fraction."""
    rng = random.Random(seed_of("labels", world.seed))
    pool = make_pool(world, far=False, least_written=25)
    rows = []
    for kind, count in LABELLED.items():
        for index in range(count):
            ask = _draw(rng, world, says, kind, pool, index // 2)
            label = index % 2 == 0
            text = good(rng, ask) if label else bad(rng, ask)
            rows.append(
                {
                    "prompt": [{"role": "user", "content": ask.prompt}],
                    "completion": [{"role": "assistant", "content": text}],
                    "label": label != (rng.random() < careless),
                    "principle": PRINCIPLES[kind],
                    "annotator": "quay-1",
                }
            )
    rng.shuffle(rows)
    return rows


def _draw(rng: random.Random, world: World, says: Wordings, kind: str, pool: Pool, turn: int) -> Ask:
    """A question of a kind; about things, each sort of thing in turn, as a careful annotator would have them."""
    ask = draw(rng, world, says, kind, pool, "used")
    heads = {"harm": words.HARMFUL, "remedy": words.HARMFUL, "lookalike": words.HARMLESS}
    heads["effect"] = words.HARMFUL + words.HARMLESS
    while kind in heads and ask.truth["head"] != heads[kind][turn % len(heads[kind])]:
        ask = draw(rng, world, says, kind, pool, "used")
    return ask


def held_out_texts(world: World, says: Wordings) -> Iterable[str]:
    """Every run of words that no alignment prompt may contain: far entities, far sums, held-out wordings."""
    yield from world.far
    for a in range(11, 90):
        for b in range(11, 90):
            if world.far_sum(a, b):
                yield from (f"{a} {b}", f"{a} plus {b}", f"{a} minus {b}")
    for held in says.held.values():
        others = [c for k in says.used for c in (*says.used[k], *says.held[k])]
        for core in held:
            yield signature(core, [o for o in others if o != core])
