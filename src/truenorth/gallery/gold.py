"""What a cell comes to, by the oracle: held-out questions near and far, abilities, and the distance from the base."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from truenorth.measure import evaluate, kl
from truenorth.models.local import LocalModel
from truenorth.recipes.bench import harbour_bench
from truenorth.recipes.job import Bench
from truenorth.recipes.settings import Settings
from truenorth.records import Row, Source

SEED = 29  # of answering: the same for every cell, so that cells are paired
KL_QUESTIONS = 60  # about, of the main set


@lru_cache(maxsize=1)
def bench(world: int, items: int) -> Bench:
    """The questions, once a process."""
    return harbour_bench(world, per_principle=items)


def gold(model: Any, world: int, settings: Settings) -> list[Row]:
    """Every answer with its score: conduct at temperature 1, abilities greedily.

    Left out: rates that ask a principle's questions again (false agreement, over-refusal).
    """
    found, opened = [], bench(world, settings.items)
    how: dict[str, Any] = {"max_tokens": settings.max_tokens, "seed": SEED}
    for kind, sets, temperature in (("conduct", opened.conduct, 1.0), ("ability", opened.abilities, 0.0)):
        for name, questions in sets.items():
            asked = [item for item in questions if item.principle not in opened.lower]
            scores = evaluate(model, asked, opened.judges, temperature=temperature, **how)
            found += [Row({**row.data, "set": name, "kind": kind}, row.source) for row in scores.rows()]
    return found


def distance(model: LocalModel, base: Path, world: int, settings: Settings) -> list[Row]:
    """KL(model || base) in nats an answer, on questions of the main set, as one row."""
    opened = bench(world, settings.items)
    items = [i for i in opened.conduct[opened.main] if i.principle not in opened.lower]
    items = items[:: max(1, len(items) // KL_QUESTIONS)]
    clusters = [item.group for item in items]
    prompts = [item.prompt for item in items]
    told: dict[str, Any] = {"max_tokens": settings.max_tokens, "seed": SEED}
    found = kl(model, LocalModel.load(base), prompts, clusters=clusters, **told).sequence
    return [Row(found.to_dict(), Source("kl", model=model.name, seed=SEED))]
