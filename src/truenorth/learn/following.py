"""A reference that follows the policy: every so many steps it moves towards it, and what it says is computed anew."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from truenorth.base import UserError
from truenorth.learn.order import batch_at
from truenorth.learn.reference import compute_reference
from truenorth.learn.types import Task
from truenorth.learn.work import Work
from truenorth.models.opening import open_forward


@dataclass(frozen=True)
class Follow:
    """How the reference follows: ref <- mix * policy + (1 - mix) * ref, before every step that `every` divides.

    Args:
        every: steps between updates (TRL's `ref_model_sync_steps`).
        mix: share of the policy (TRL's `ref_model_mixup_alpha`): 1 replaces the reference, 0 leaves it.

    Source: Gorbatovski et al. 2024, "Learn your reference model" (arXiv:2404.09656), eq. 5 and 6.
    """

    every: int = 512
    mix: float = 0.6

    def __post_init__(self) -> None:
        if self.every < 1 or not 0 <= self.mix <= 1:
            raise UserError(f"{self} cannot be followed", expected="every of 1 or more, and mix in [0, 1]")


class Shadow:
    """The reference's own weights, and what it says of the steps to come."""

    def __init__(self, module: torch.nn.Module, follow: Follow):
        self.module, self.follow = copy.deepcopy(module).requires_grad_(False), follow

    def weights(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return dict(self.module.named_parameters())

    def restore(self, weights: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, p in self.module.named_parameters():
                p.copy_(weights[name])

    def move(self, policy: torch.nn.Module) -> None:
        """One update, of parameters only; buffers are not learned."""
        new = dict(policy.named_parameters())
        with torch.no_grad():
            for name, p in self.module.named_parameters():
                p.lerp_(new[name].to(p.dtype), self.follow.mix)

    def before(
        self,
        step: int,
        policy: torch.nn.Module,
        tasks: Sequence[Task],
        works: Sequence[Work],
        *,
        first: int,
        steps: int,
        seed: int,
    ) -> Sequence[Work]:
        """The works of a step: told anew where the reference moves, and as they were then after a resume at `first`."""
        moved = step - step % self.follow.every  # where it moved last; not before the first step
        if moved == 0 or moved < step != first:
            return works
        if moved == step:
            self.move(policy)
        return self.told(tasks, works, step=moved, steps=steps, seed=seed)

    def told(
        self, tasks: Sequence[Task], works: Sequence[Work], *, step: int, steps: int, seed: int
    ) -> list[Work]:
        """The works with what this reference says of the examples from `step` up to its next update."""
        forward = open_forward(self.module)
        ahead = range(step, min(steps, (step // self.follow.every + 1) * self.follow.every))
        found = []
        for task, work in zip(tasks, works):
            if not work.needs.reference:
                found.append(work)
                continue
            size, count = task.batch, len(task.examples)
            used = {
                i for s in ahead for i in batch_at(s, size=size, examples=count, seed=seed, name=task.name)
            }
            known = compute_reference(forward, task.examples, sorted(used), work.needs, fixed_head=False)
            found.append(work._replace(reference=known))
        return found


def shadow_of(follow: Follow | None, policy: Any, reference: Any, adapter: Any) -> Shadow | None:
    """The reference of a fit that follows, before its first step.

    Raises:
        UserError: with LoRA, whose reference is the model under the adapter.
    """
    if follow is None:
        return None
    if adapter is not None:
        raise UserError(
            "a reference cannot follow the policy under LoRA: both share their weights",
            where="fit",
            fix="train all weights, or fit in stages (sdpo) and merge the adapter between them",
        )
    return Shadow((reference or policy).module, follow)
