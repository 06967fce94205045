"""Does contrastive instruction tuning (A17) make a model answer alike in whatever words it is asked, and rightly?

    python benchmarks/wordings_gold.py [--seeds 0 1 2] [--items 120] [--steps 120] [--folder DIR]

harbour-nano learns from the gallery's data: good answers to requests that it has itself put in other words. Twice, from
the same examples with the same seed: imitation of the answer after either wording, and the same with `coin` beside it.
Both are asked about people and places in wordings that no training uses, four wordings a question. Stated beforehand:
with `coin`, answers to the wordings of a question agree more often (they name the same value, or all decline), and
more of them are right by the oracle. Paired by question, clustered by entity, the sign in each seed and a pooled 99 %
interval. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from truenorth.base import seed_of
from truenorth.gallery.claims import Question, claim
from truenorth.gallery.lessons import wordings
from truenorth.gallery.making import SETTINGS
from truenorth.gallery.stock import make_stock, read_stock
from truenorth.learn import fit
from truenorth.learn.paraphrases import coin_tasks
from truenorth.models.local import LocalModel
from truenorth.worlds.harbour import organism
from truenorth.worlds.harbour.gold.dialogues import Ask, ask_fact, make_pool
from truenorth.worlds.harbour.gold.facts import make_world
from truenorth.worlds.harbour.gold.oracle import declines, right, values_in
from truenorth.worlds.harbour.gold.wordings import make_wordings

WAYS = 4  # wordings of a question


def questions(count: int) -> list[list[Ask]]:
    """Facts that are written and facts that are not, about entities that training prompts leave out; each in
    several wordings that they leave out too."""
    seed = int(organism("nano").about["seed"])
    world, says = make_world(seed), make_wordings(seed)
    pool, rng = make_pool(world, True), random.Random(seed_of("wordings", seed))
    found = []
    for kind in (pool.known, pool.unknown):
        for entity, attribute in rng.sample(kind, count // 2):
            ways = {}
            for _ in range(60):
                ask = ask_fact(rng, world, says, entity, attribute, "held")
                ways[ask.prompt] = ask
            found.append(list(ways.values())[:WAYS])
    return [ways for ways in found if len(ways) > 1]


def reading(ask: Ask, text: str) -> frozenset[str]:
    """What an answer says: the values it names, or that it declines."""
    return frozenset(["declines"] if declines(text) else values_in(text, ask.truth["attribute"]))


def asked(model: LocalModel, groups: Sequence[Sequence[Ask]]) -> list[tuple[float, float]]:
    """Of each question: the share of pairs of wordings whose greedy answers agree, and of answers that are right."""
    prompts = [[{"role": "user", "content": ask.prompt}] for ways in groups for ask in ways]
    texts = iter([c[0].text for c in model.sample(prompts, 1, temperature=0, max_tokens=40)])
    found = []
    for ways in groups:
        said = [(ask, next(texts)) for ask in ways]
        told = [reading(ask, text) for ask, text in said]
        alike = fmean(float(a == b and bool(a)) for a, b in combinations(told, 2))
        found.append((alike, fmean(float(right(ask, text)) for ask, text in said)))
    return found


def trained(rows: Sequence[dict[str, Any]], weight: float, seed: int, steps: int, lr: float) -> LocalModel:
    model = LocalModel.load(organism("nano").model)
    tasks = coin_tasks(model, rows, weight=weight, batch=16)
    fit(model, tasks if weight else tasks[:1], steps=steps, lr=lr, seed=seed)
    return model


def of_seed(seed: int, folder: Path, groups: Sequence[Sequence[Ask]], args: Any) -> dict[str, Any]:
    """One seed: data, both models, and what they answer."""
    make_stock(folder / f"stock-{seed}", organism("nano"), replace(SETTINGS, seed=seed), quiet=True)
    base = LocalModel.load(organism("nano").model)
    rows = wordings(base, read_stock(folder / f"stock-{seed}"), seed=seed)
    models = {"base": base} | {
        name: trained(rows, weight, seed, args.steps, args.lr)
        for name, weight in (("imitation", 0.0), ("coin", args.weight))
    }
    return {"rows": len(rows), **{name: asked(model, groups) for name, model in models.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--items", type=int, default=120, help="questions (default 120)")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--lr", type=float, default=4e-4)
    parser.add_argument("--weight", type=float, default=1.0, help="of coin (default 1)")
    parser.add_argument("--folder", type=Path, help="keep the data here, and find it again")
    args = parser.parse_args()
    torch.set_num_threads(1)
    groups = questions(args.items)
    with tempfile.TemporaryDirectory() as scratch:
        seeds = [of_seed(seed, args.folder or Path(scratch), groups, args) for seed in args.seeds]
    told: dict[str, Any] = {"seeds": args.seeds, "questions": len(groups), "rows": [s["rows"] for s in seeds]}
    for place, measure in enumerate(("agree", "right")):
        told[measure] = {
            n: round(fmean(q[place] for s in seeds for q in s[n]), 3) for n in ("base", "imitation", "coin")
        }
        found = claim(
            [
                [
                    Question(one[place], other[place], ways[0].cluster)
                    for one, other, ways in zip(s["imitation"], s["coin"], groups, strict=True)
                ]
                for s in seeds
            ]
        )
        gap = {
            k: round(v, 3) for k, v in found.pooled._asdict().items() if k in ("difference", "low", "high")
        }
        told[measure] |= gap | {"verdict": found.verdict, "each": [round(v, 3) for v in found.seeds]}
        print(f"{measure:<6} {told[measure]}")
    print(json.dumps(told | {"cpu_s": round(time.process_time()), "load": round(os.getloadavg()[0], 1)}))


if __name__ == "__main__":
    main()
