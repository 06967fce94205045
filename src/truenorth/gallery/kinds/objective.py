"""Training with one objective of the catalogue, on the shared data, under the same anchors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from truenorth.base import UserError, seed_of
from truenorth.gallery.lessons import fresh, lessons
from truenorth.gallery.making import Making
from truenorth.gallery.presets import Preset
from truenorth.learn import Example, Task, fit
from truenorth.learn.coupling import load_objective, needs
from truenorth.learn.order import Schedule
from truenorth.models.local import LocalModel
from truenorth.recipes.training import anchors


def objective(preset: Preset, making: Making, made: Mapping[str, Path], folder: Path) -> None:
    """Train and save. A row made `of` another has that one as its teacher: the reference of its objective."""
    model, settings = LocalModel.load(making.model), making.settings
    stock = making.stock.taught(preset.only, preset.turned)
    learn = configured(preset)
    others = [
        Task(name, lessons(model, name, stock), name, weight, settings.batch)
        for name, weight in preset.beside.items()
    ]
    if preset.anchors:  # as in the main job
        others += anchors(model, stock.keeps, stock.documents, settings)
    teacher = LocalModel.load(made[preset.of[0]]) if preset.of else None
    models = {name: LocalModel.load(making.model) for name in needs(learn).models}
    steps, lr = preset.steps or settings.steps, preset.lr or settings.lr

    def learned(given: Sequence[Example], steps: int, seed: int, schedule: Schedule = "cosine") -> None:
        tasks = [Task("lessons", given, learn, batch=settings.batch), *others]
        how: dict[str, Any] = {"lr": lr, "seed": seed, "schedule": schedule}
        fit(model, tasks, steps=steps, reference=teacher, models=models, **how)

    if not preset.rounds:
        learned(lessons(model, preset.method, stock), steps, settings.seed)
    for number in range(preset.rounds):
        seed, own = seed_of("round", settings.seed, number), steps // preset.rounds
        learned(fresh(model, stock, own * settings.batch, seed, settings.max_tokens), own, seed, "constant")
    model.save(folder)


def configured(preset: Preset) -> Any:
    """The objective with the row's settings.

    Raises:
        UserError: no such objective, or a setting that it does not have.
    """
    found = load_objective(preset.method, where=preset.name)
    known = needs(found).settings
    odd = [name for name in preset.settings if name not in known]
    if odd:
        raise UserError(
            f"{preset.method} has no setting {odd[0]!r}",
            where=preset.name,
            expected=", ".join(known) or "none",
        )
    return partial(found, **preset.settings)
