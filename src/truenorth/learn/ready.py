"""From tasks to work: functions looked up, and what the reference and other models say computed before step one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from truenorth.base import content_hash
from truenorth.learn.checkpoint import fingerprint
from truenorth.learn.columns import names_in_use, plain
from truenorth.learn.coupling import label, load_objective, needs
from truenorth.learn.order import batch_at
from truenorth.learn.reference import Reference, compute_reference
from truenorth.learn.types import Needs, Task
from truenorth.learn.work import Work
from truenorth.models.forward import Forward
from truenorth.models.opening import open_forward
from truenorth.models.score_head import ScoreForward


class Setup(NamedTuple):
    """What a fit knows before its first step."""

    forward: Forward | ScoreForward | None  # of the policy before its adapters; None where nothing asks it
    reference: Any
    models: Mapping[str, Any]
    steps: int
    seed: int
    folder: Path | None  # where what models say is kept
    model: str  # a fingerprint of the policy as it is, where there is a folder
    fixed_head: bool = False  # training will not change it


def make_work(setup: Setup, task: Task) -> Work:
    """The task's functions looked up, and what its reference and other models say of its examples."""
    where = f"task {task.name}"
    objective = load_objective(task.objective, where=where)
    need = needs(objective, where=where)
    used = examples_used(task, setup.steps, setup.seed) if need.reference or need.models else []
    known = _reference(setup, task, need, used) if need.reference else None
    others = {name: _said(setup, setup.models[name].module, task, need, used) for name in need.models}
    return Work(task.name, objective, need, task.average or need.average, task.weight, known, others)


def _reference(setup: Setup, task: Task, need: Needs, used: list[int]) -> Reference | None:
    """What the reference says: another model, or the policy as it is now, before the fit's adapters."""
    if setup.reference is not None:
        return _said(setup, setup.reference.module, task, need, used)
    if not isinstance(setup.forward, Forward):
        return None
    weight = setup.forward.head.weight_VD
    return compute_reference(
        setup.forward,
        task.examples,
        used,
        need,
        fixed_head=setup.fixed_head or weight is None or not weight.requires_grad,
        folder=setup.folder,
        model=setup.model,
    )


def _said(setup: Setup, module: Any, task: Task, need: Needs, used: list[int]) -> Reference:
    model = fingerprint(module, []) if setup.folder else ""
    return compute_reference(
        open_forward(module),
        task.examples,
        used,
        need,
        fixed_head=True,
        folder=setup.folder,
        model=model,
    )


def examples_used(task: Task, steps: int, seed: int) -> list[int]:
    """Indices of the examples that some step will see."""
    if min(task.batch, len(task.examples)) * steps >= len(task.examples):
        return list(range(len(task.examples)))
    at = partial(batch_at, size=task.batch, examples=len(task.examples), seed=seed, name=task.name)
    return sorted({i for step in range(steps) for i in at(step)})


def describe(task: Task) -> list[Any]:
    """What makes a task this one, for the checkpoint: a resumed fit must have it in common."""
    asked = names_in_use(needs(load_objective(task.objective)), task.examples)
    examples = [
        [list(e.prompt), [list(c) for c in e.completions], e.weight, [plain(e.columns[n]) for n in asked]]
        for e in task.examples
    ]
    return [task.name, label(task.objective), task.weight, task.batch, task.average, content_hash(examples)]
