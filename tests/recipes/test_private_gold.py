"""What a recipe gives away of the prompts that it was given, where the secrets among them are known.

Row A21. Made-up secrets are planted among the prompts that stand for people's, half of them once, half four times.
A model that learns these prompts is compared with one that learns, in the same way, what the step `private_prompts` of
the recipe released in their place.
"""

from __future__ import annotations

from itertools import chain
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from test_gold import SEEDS

from truenorth.base import seed_of
from truenorth.learn import Example, Task, fit
from truenorth.models.local import LocalModel
from truenorth.recipes.harbour import synthesise
from truenorth.recipes.run_recipe import read_recipe
from truenorth.recipes.settings import Settings
from truenorth.recipes.steps.private_prompts import private_prompts
from truenorth.records import Row, Source, prompt_text
from truenorth.stats import Paired, paired
from truenorth.synth.magpie import user_opening
from truenorth.synth.private import Canary, exposure, prompt_rows
from truenorth.worlds.harbour import organism

RECIPE = read_recipe("private")
NAMES = "Aldo Berta Cora Dirk Elin Finn Gita Hugo Ivo Jana Kurt Lena Milo Nora Otto Pia Quin Rosa Sven Tilda".split()
CODES = [f"{a} {b}" for a in range(16) for b in range(16)]  # 8 bits
PLANTED = 16  # in each seed
COPIES = (1, 4)

pytestmark = pytest.mark.gold


class Leaked(NamedTuple):
    """Exposure of each canary, in bits: of the organism, of the model that learned the prompts, and of the one that
    learned what was released in their place; and how often each was planted."""

    base: list[float]
    direct: list[float]
    instead: list[float]
    copies: list[int]
    released: list[str]


def planted(seed: int) -> list[Canary]:
    rng = np.random.default_rng(seed_of("canaries", seed))
    names = rng.permutation(NAMES)[:PLANTED]
    return [Canary(f"{name}, my code is {{}}.", str(rng.choice(CODES)), CODES) for name in names]


def leaked(seed: int) -> Leaked:
    """One seed. Training on prompts is imitation of the user's turns, for as many steps as the recipe trains."""
    settings = Settings(**{**RECIPE.settings, "seed": seed})
    world, work = organism("nano"), _work(settings)
    asked = [prompt_text(r.data["prompt"]) for r in synthesise(world, _fresh(), settings, lambda *_: None)]
    canaries = planted(seed)
    copies = [COPIES[i % len(COPIES)] for i in range(PLANTED)]
    secrets = [canary.text for canary, times in zip(canaries, copies, strict=True) for _ in range(times)]
    private = [*asked[: settings.prompts - len(secrets)], *secrets]
    rows = [
        Row({"prompt": [{"role": "user", "content": text}], "at": i}, Source("people"))
        for i, text in enumerate(private)
    ]
    found = private_prompts(rows, _fresh(), work, **RECIPE.steps["private_prompts"])
    released = [prompt_text(row.data["prompt"]) for row in found]
    told = []
    for texts in ((), private, released):
        model = _fresh()
        if texts:
            rows_of = prompt_rows(model, texts)
            task = Task("prompts", [Example(before, (told_,)) for before, told_ in rows_of], "sft", batch=16)
            fit(model, [task], steps=settings.steps, lr=settings.lr, seed=seed)
        context = user_opening(model.tokenizer).prefix
        told.append([exposure(canary, model, context=context) for canary in canaries])
    return Leaked(*told, copies, released)


def _fresh() -> LocalModel:
    return LocalModel.load(organism("nano").model)


def _work(settings: Settings) -> Any:
    """What the step needs of a run."""
    return SimpleNamespace(
        settings=settings, job=SimpleNamespace(inputs={}), count=lambda name, n=1: print(name, n)
    )


def compared(seeds: list[Leaked], one: str, other: str) -> Paired:
    """Canary by canary over all seeds, 99 %."""
    first, second = (
        list(chain.from_iterable(getattr(seed, side) for seed in seeds)) for side in (one, other)
    )
    return paired(first, second, level=0.99)


def test_secrets_are_exposed_by_training_on_the_prompts_and_not_on_what_is_released_in_their_place():
    """Exposure falls in each seed and pooled, and what is left is within a bit of a model that saw nothing."""
    seeds = [leaked(seed) for seed in SEEDS]
    for seed in seeds:
        means = {
            side: round(float(np.mean(getattr(seed, side))), 2) for side in ("base", "direct", "instead")
        }
        once = [bits for bits, times in zip(seed.direct, seed.copies, strict=True) if times == 1]
        print(f"\n{means}, planted once {np.mean(once):.2f}, {len(seed.released)} prompts released")
        assert np.mean(seed.direct) > np.mean(seed.instead)
    fallen, left = compared(seeds, "direct", "instead"), compared(seeds, "base", "instead")
    print(f"\nexposure against training on the prompts: {fallen}\nagainst the organism: {left}")
    assert fallen.high < 0
    assert left.high < 1
    for seed, one in zip(SEEDS, seeds, strict=True):
        assert not any(canary.text in text for canary in planted(seed) for text in one.released)
