"""Do prompts of many personas make a model's own prompts less alike? (A30, judged by what they ask about.)

    python benchmarks/personas_gold.py [--seeds 0 1 2] [--count 400]

The organism's own prompts, against as many of which half are by personas (the step `persona_prompts` of the recipe
`personas`); neither has duplicates or says what is held out. Stated beforehand, with half of them by personas: in each
seed prompts begin in more ways and more evenly, are worth more different texts (Vendi), and cover more of what there
is to ask, kind of question by thing asked about; pooled, the entropies of beginnings and of what is asked rise, with
a 99 % interval over personas. Told beside it: the kinds of question alone, the likeness to the nearest other prompt,
and how many prompts ask for what the world's questions ask for: noise is diverse too. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch

from truenorth.base import seed_of
from truenorth.constitution import load
from truenorth.models.local import LocalModel
from truenorth.recipes.harbour import REVISING, synthesise
from truenorth.recipes.run_recipe import read_recipe
from truenorth.recipes.settings import Settings
from truenorth.recipes.steps.documents import documents
from truenorth.recipes.steps.persona_prompts import persona_prompts
from truenorth.records import Row, prompt_text
from truenorth.stats import Estimate, bootstrap
from truenorth.synth.diversity import diversity, entropy, nearest_likeness
from truenorth.synth.embed import ngrams
from truenorth.synth.personas import manner
from truenorth.worlds.harbour import organism
from truenorth.worlds.harbour.gold.wordings import CLAIMS, TASTE_QUESTIONS, make_wordings

NOTHING = "nothing that the world's questions ask for"


class Topic(NamedTuple):
    """What a prompt asks for (a kind of question, a claim), and of whom or what; "" where it is of nothing."""

    kind: str
    entity: str = ""


@cache
def patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Kind -> what a question of it looks like, in any wording of the world."""
    says = make_wordings(int(organism().about["seed"]))
    found = []
    for kind in says.used:
        for core in (*says.used[kind], *says.held[kind]):
            if kind != "claim":
                text = re.escape(core.lower()).replace(r"\{e\}", r"(?P<e>[a-z]+(?: [a-z]+)?)")
                text = text.replace(r"\{a\}", r"\d+").replace(r"\{b\}", r"\d+")
                found.append((kind, re.compile(text.replace(r"\{op\}", r"(?:plus|minus|\+|-)") + r"[.?]?$")))
    found += [
        (f"taste: {kind}", re.compile(re.escape(core) + r"\??$"))
        for kind, cores in TASTE_QUESTIONS.items()
        for core in cores
    ]
    return found


@cache
def openings() -> list[str]:
    return [core.lower().partition("{c}")[0] for core in CLAIMS]


def topic(prompt: str) -> Topic:
    """
    >>> topic("I think Ann Grey loves waffles. Which meal would please Ann Grey?")
    Topic(kind='claim: dish', entity='ann grey')
    """
    text = prompt.lower()
    claims = any(opening in text for opening in openings())
    for kind, pattern in patterns():
        if match := pattern.search(text):
            entity = (match.groupdict().get("e") or "").strip()
            return Topic(f"claim: {kind}" if claims else kind, entity)
    return Topic(NOTHING)


def asked(seed: int, count: int) -> dict[str, list[Row]]:
    """As many prompts of each side."""
    world, settings = organism("micro"), Settings(seed=seed, prompts=2 * count, held_prompts=0)
    model = LocalModel.load(world.model)
    inputs = {"held_out": world.held_out}
    job = SimpleNamespace(
        inputs=inputs, texts=world.gazette, templates=REVISING, constitution=load(world.constitution)
    )
    work: Any = SimpleNamespace(
        settings=settings, job=job, base=model, count=lambda *_: None, progress=_quiet
    )
    recipe = read_recipe("personas").steps
    own = synthesise(world, model, settings, lambda *_: None)
    texts = documents(work, **recipe.get("documents", {})) if "documents" in recipe else []
    given = {k: v for k, v in recipe["persona_prompts"].items() if k not in ("texts", "prompts")}
    theirs = persona_prompts(model, work, texts, own, **{**given, "n": 3 * count})
    own, theirs = (sorted(rows, key=lambda row: seed_of("asked", seed, row.id)) for rows in (own, theirs))
    half = min(count // 2, len(own) // 2, len(theirs))
    return {"own": own[: 2 * half], "personas": [*own[:half], *theirs[:half]]}


class _quiet:
    def __init__(self, *_: object):
        pass

    def __enter__(self) -> Callable[[int], None]:
        return lambda _: None

    def __exit__(self, *_: object) -> None:
        pass


class Side(NamedTuple):
    """Prompt by prompt: how it begins, what it asks for, its likeness to its nearest neighbour; and of all."""

    begins: list[str]
    topics: list[Topic]
    nearest: list[float]
    vendi: float
    personas: list[str]


def side(rows: Sequence[Row]) -> Side:
    texts = [prompt_text(row.data["prompt"]) for row in rows]
    found = diversity(texts)
    return Side(
        [manner(text).lower() for text in texts],
        [topic(text) for text in texts],
        nearest_likeness(ngrams(texts)),
        found.vendi,
        [str(row.data.get("persona", row.id)) for row in rows],
    )


def measures(one: Side) -> dict[str, float]:
    known = [t for t in one.topics if t.kind != NOTHING]
    return {
        "openings": len(set(one.begins)),
        "entropy of openings": entropy(one.begins),
        "kinds": len({t.kind for t in known}),
        "entropy of kinds": entropy(t.kind for t in known),
        "topics": len(set(known)),
        "nearest likeness": float(np.mean(one.nearest)),
        "vendi": one.vendi,
        "understood": len(known) / len(one.topics),
    }


def difference(sides: Sequence[dict[str, Side]], of: Callable[[Side], Sequence[Any]], how: Any) -> Estimate:
    """Personas' less own, pooled over seeds, 99 %; a persona's prompts are drawn together."""
    values = [
        (v, n, f"{k} {p}") for k, s in enumerate(sides) for n in s for v, p in zip(of(s[n]), s[n].personas)
    ]
    column, names, clusters = (list(c) for c in zip(*values, strict=True))
    codes = (
        np.array([float(v) for v in column]) if how is np.mean else np.unique(column, return_inverse=True)[1]
    )
    theirs = np.array([name == "personas" for name in names])

    def less(x: Any, of_personas: Any) -> float:
        return float(how(x[of_personas]) - how(x[~of_personas]))

    return bootstrap(less, codes, theirs, clusters=clusters, method="percentile", level=0.99, draws=500)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--count", type=int, default=400, help="prompts of each side (default 400)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    sides = []
    for seed in args.seeds:
        rows = asked(seed, args.count)
        sides.append({name: side(of) for name, of in rows.items()})
        for name, found in sides[-1].items():
            told = {k: round(v, 3) for k, v in measures(found).items()}
            print(seed, name, len(rows[name]), told, flush=True)
    pooled = {
        "entropy of openings": difference(sides, lambda s: s.begins, entropy),
        "entropy of topics": difference(sides, lambda s: [" ".join(t) for t in s.topics], entropy),
        "entropy of kinds": difference(sides, lambda s: [t.kind for t in s.topics], entropy),
        "nearest likeness": difference(sides, lambda s: s.nearest, np.mean),
    }
    told = {k: [round(v, 3) for v in found[:3]] for k, found in pooled.items()}
    each = [{name: measures(found) for name, found in one.items()} for one in sides]
    print(json.dumps({"each": each, "pooled": told, "cpu_s": round(time.process_time())}))


if __name__ == "__main__":
    main()
