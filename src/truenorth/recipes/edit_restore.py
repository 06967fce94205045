"""Restoring lost alignment in steps, with rollback of what costs the task: both models in memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from truenorth.base import UserError
from truenorth.edit.safety.restore import candidates, cut_of
from truenorth.models.local import LocalModel
from truenorth.recipes.edit_inputs import layers
from truenorth.recipes.edit_statistics import direction, slope_towards

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class RestoreStep:
    """One step: entries restored, entries given back to the task, and the task's score (None: not asked)."""

    step: int
    restored: int
    returned: int
    score: float | None = None


def restore_in_steps(
    model: LocalModel,
    aligned: LocalModel,
    harmful: Sequence[list[int]],
    benign: Sequence[list[int]],
    *,
    score: Callable[[LocalModel], float] | None = None,
    rate: float = 0.002,
    steps: int = 10,
    layer: int | None = None,
    warmup: int = 5,
    keep: float = 0.95,
    give_back: float = 0.2,
    batch: int = 8,
    on_step: Callable[[RestoreStep], None] | None = None,
) -> list[RestoreStep]:
    """Restore weights of `model` in place to the aligned model's, a few a step; returns what each step did.

    Every weight ends as exactly the aligned model's or the task model's.

    Args:
        harmful, benign: token ids of prompts; 256 of each in the release.
        score: of the task, higher is better; asked from step `warmup` on. Once it falls below `keep` times what it
            was, all is undone, and from then on each step gives back `give_back` of what it restored, where that
            moves benign prompts back to where the task had them.
        rate: share of the weights that a step may restore, 0.001 to 0.002; the release takes 20 steps.
        layer: whose hidden states count (1-based); by default at two thirds of the depth.

    Source: Wu et al. 2025 (arXiv:2504.09757), algorithm 1, and its release: gradients are summed over batches and
    steps, and start anew after a rollback.
    """
    if not harmful or not benign:
        raise UserError("no prompts", where="restore", expected="harmful and benign prompts")
    wanted_D = direction(aligned, harmful, layer=layer)
    task_D = direction(model, benign, layer=layer)
    own = _shared(model, aligned)
    other = {name: p.detach() for name, p in aligned.module.named_parameters() if name in own}
    task = {name: p.detach().clone() for name, p in own.items()}
    before = score(model) if score else None
    summed: Weights = {}
    rolling, done = False, []
    count = math.ceil(rate * sum(p.numel() for p in own.values()))
    for number in range(1, steps + 1):
        slopes = slope_towards(model, harmful, wanted_D, layer=layer, batch=batch)
        summed = {name: slopes[name] + summed.get(name, 0) for name in own}
        changed = move(own, other, summed, count)
        returned = 0
        if rolling:
            slopes = slope_towards(model, benign, task_D, layer=layer, batch=batch)
            share = math.ceil(give_back * _count_candidates(own, task, slopes, changed))
            returned = _total(move(own, task, slopes, share, among=changed))
            summed = {}
        now = score(model) if score and number >= warmup else None
        if now is not None and before is not None and now < keep * before and not rolling:
            rolling, summed = True, {}
            _put(own, task)
        done.append(RestoreStep(number, _total(changed), returned, now))
        if on_step:
            on_step(done[-1])
    return done


def move(
    own: Weights, target: Weights, slopes: Weights, count: int, *, among: Weights | None = None
) -> Weights:
    """Set to the target's values the `count` entries with the steepest slope towards it; returns where.

    Args:
        among: only entries that are true here.
    """
    sizes = _sizes(own, target, slopes, among)

    def pieces() -> Iterator[np.ndarray]:
        return (size.float().cpu().numpy() for size in sizes.values())

    cut = max(0.0, cut_of(pieces, count))
    where = {name: size > cut for name, size in sizes.items()}
    with torch.no_grad():
        for name, p in own.items():
            p.copy_(torch.where(where[name], target[name].to(p), p))
    return where


def _sizes(own: Weights, target: Weights, slopes: Weights, among: Weights | None) -> Weights:
    found = {name: candidates(p.detach(), target[name].to(p), slopes[name]) for name, p in own.items()}
    return {name: size * among[name] for name, size in found.items()} if among else found


def _count_candidates(own: Weights, target: Weights, slopes: Weights, among: Weights) -> int:
    return sum(int((size > 0).sum()) for size in _sizes(own, target, slopes, among).values())


def _total(where: Weights) -> int:
    return sum(int(chosen.sum()) for chosen in where.values())


def _put(own: Weights, values: Weights) -> None:
    with torch.no_grad():
        for name, p in own.items():
            p.copy_(values[name])


def _shared(model: LocalModel, aligned: LocalModel) -> Weights:
    """The matrices of the layers, which must be the same in both."""
    own, other = layers(model), dict(aligned.module.named_parameters())
    for name, p in own.items():
        if name not in other or other[name].shape != p.shape:
            fix = "merge a LoRA into its base first"
            raise UserError(f"{name} is another in the aligned model", where=aligned.name, fix=fix)
    return own
