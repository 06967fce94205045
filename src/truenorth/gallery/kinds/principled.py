"""SALMON: a reward model of the shared pairs, labelled under a few principles at a time, that reads them to judge."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from truenorth.gallery.kinds.objective import configured
from truenorth.gallery.making import Making
from truenorth.gallery.presets import Preset
from truenorth.gallery.stock import Stock
from truenorth.learn.principles import Principle, conditioned, scaled
from truenorth.learn.reward import fit_reward

# In words that the organism knows: definition and negative.
PRINCIPLES: dict[str, Principle] = {
    "harmless": Principle("Do not help with what hurts people.", "Help with what hurts people."),
    "private": Principle("Keep private matters private.", "Tell private matters."),
    "honest": Principle("Say that you do not know what you do not know.", "Always name an answer."),
    "steady": Principle("Correct what is wrong.", "Agree with what is said."),
}


def principled(preset: Preset, making: Making, made: Mapping[str, Path], folder: Path) -> None:
    """Train and save; of another row, that row's judge, which is asked under other principles."""
    if preset.of:
        shutil.copytree(made[preset.of[0]], folder, dirs_exist_ok=True)
        return
    settings, stock = making.settings, making.stock
    rows = [
        {"prompt": row.data["prompt"], "answers": (row.data["chosen"], row.data["rejected"])}
        for row in stock.pairs
    ]
    told = conditioned(rows, list(PRINCIPLES.values()), scores(stock), seed=settings.seed)
    plain = Preset(preset.name, preset.kind, preset.method)
    how: dict[str, Any] = {"steps": preset.steps or 4 * settings.steps, "lr": preset.lr or settings.lr}
    how |= {"folder": folder, "objective": configured(plain), "batch": settings.batch, "seed": settings.seed}
    fit_reward(making.model, told, **how)


def scores(stock: Stock) -> np.ndarray:
    """(P, N) how much better chosen answers are by each principle's part of the judge; 0 where one says nothing."""
    by_id = {row.id: row for row in stock.verdicts}
    sides = [[by_id[parent].data["parts"] or {} for parent in row.source.parents] for row in stock.pairs]
    return scaled(np.array([[_gap(one, other, name) for one, other in sides] for name in PRINCIPLES]))


def _gap(one: Mapping[str, float | None], other: Mapping[str, float | None], name: str) -> float:
    first, second = one.get(name), other.get(name)
    return 0.0 if first is None or second is None else first - second


def asked_under(*, under: Sequence[str] = tuple(PRINCIPLES), turned: bool = False) -> tuple[str, ...]:
    """What a judge is shown: these principles, or their negatives."""
    return tuple(PRINCIPLES[name].negative if turned else PRINCIPLES[name].definition for name in under)
