"""Training with one objective of the catalogue, on the shared data, under the same anchors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from truenorth.base import UserError
from truenorth.gallery.lessons import lessons
from truenorth.gallery.making import Making
from truenorth.gallery.presets import Preset
from truenorth.gallery.stock import Stock
from truenorth.learn import Example, Task, fit
from truenorth.learn.coupling import load_objective, needs
from truenorth.models.local import LocalModel
from truenorth.recipes.training import encoded


def objective(preset: Preset, making: Making, made: Mapping[str, Path], folder: Path) -> None:
    """Train and save. A row made `of` another has that one as its teacher: the reference of its objective."""
    model = LocalModel.load(making.stock.model)
    learn = configured(preset)
    tasks = [Task("lessons", lessons(model, preset.method, making.stock), learn, batch=making.batch)]
    if preset.anchors:
        tasks += anchors(model, making.stock, making)
    teacher = LocalModel.load(made[preset.of[0]]) if preset.of else None
    models = {name: LocalModel.load(making.stock.model) for name in needs(learn).models}
    steps, lr = preset.steps or making.steps, preset.lr or making.lr
    fit(model, tasks, steps=steps, lr=lr, seed=making.seed, reference=teacher, models=models)
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


def anchors(model: LocalModel, stock: Stock, making: Making) -> list[Task]:
    """As in the main job: the model is held to its own good answers, and to its own documents."""
    found = []
    if stock.keeps:
        kept = encoded(model, stock.keeps, False)
        found.append(Task("keep", kept, "kl_anchor", making.keep, making.batch))
    ids = [model.encode_prompt(text) for text in stock.documents]
    texts = [Example(row[:1], (row[1:],)) for row in ids if len(row) > 2]
    if texts:
        found.append(Task("documents", texts, "kl_anchor", making.documents, making.batch))
    return found
