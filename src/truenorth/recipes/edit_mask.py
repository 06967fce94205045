"""Learning a mask over what tasks changed, so that what is kept of it stays safe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from truenorth.base import write_bytes
from truenorth.learn import Example, Task, fit
from truenorth.learn.objectives.dpo import dpo
from truenorth.models.local import LocalModel
from truenorth.recipes.edit_inputs import layers


class Masked(nn.Module):
    """A weight as aligned + m change / mean(m), with m drawn about the sigmoid of logits z that are learned."""

    change: Tensor

    def __init__(self, change: Tensor, *, start: float, temperature: float, seed: int):
        super().__init__()
        self.z = nn.Parameter(torch.full_like(change, start))
        self.register_buffer("change", change)
        self._temperature, self._random = temperature, torch.Generator().manual_seed(seed)
        self.draw()

    def draw(self) -> None:
        """Another draw. In between m is the same, so that a step's forward passes belong together."""
        u = torch.rand(self.z.shape, generator=self._random).clamp(1e-6, 1 - 1e-6)
        self._noise = (torch.log(u) - torch.log1p(-u)).to(self.z)

    def forward(self, aligned: Tensor) -> Tensor:
        m = torch.sigmoid((self.z + self._noise) / self._temperature)
        return aligned + self.change * m / m.mean()


def learn_mask(
    model: LocalModel,
    aligned: LocalModel,
    pairs: Sequence[Example],
    out: str | Path,
    *,
    steps: int = 60,
    lr: float = 0.1,
    beta: float = 0.1,
    start: float = 0.0,
    temperature: float = 0.5,
    batch: int = 8,
    seed: int = 0,
    on_step: Callable[[dict[str, float]], None] | None = None,
) -> Path:
    """Write logits z for `truenorth edit somf --with mask=FILE`: DPO on safe and harmful answers trains them alone.

    `aligned` comes back as it was given.

    Args:
        pairs: (safe answer, harmful answer) of each prompt.
        lr: 1e-3 in the release, over thousands of pairs; a short training needs more.
        start: of z; 0 keeps each entry with chance 1/2.

    Source: Yi et al. 2024 (arXiv:2405.09055), eq. 4-7, and its release (`concrete_mask.py`, `mask_trainer.py`).
    """
    from safetensors.torch import save

    mine, theirs = layers(model), layers(aligned)
    frozen = [p for p in aligned.module.parameters() if p.requires_grad]
    changes = {name: (mine[name] - theirs[name]).detach().clone() for name in mine}
    reference = LocalModel.of(_copy(aligned.module), aligned.tokenizer, name=aligned.name)
    for p in frozen:
        p.requires_grad_(False)
    masks = {}
    for i, (name, change) in enumerate(changes.items()):
        owner = aligned.module.get_submodule(name.removesuffix(".weight"))
        masks[name] = Masked(change, start=start, temperature=temperature, seed=seed * 1000 + i)
        parametrize.register_parametrization(owner, "weight", masks[name])

    def after(numbers: dict[str, float]) -> None:
        for mask in masks.values():
            mask.draw()
        if on_step:
            on_step(numbers)

    try:
        task = Task("pairs", pairs, partial(dpo, beta=beta), batch=batch)
        fit(aligned, [task], steps=steps, lr=lr, seed=seed, reference=reference, on_step=after)
        found = {name: mask.z.detach().clone() for name, mask in masks.items()}
    finally:
        for name in masks:
            owner = aligned.module.get_submodule(name.removesuffix(".weight"))
            parametrize.remove_parametrizations(owner, "weight", leave_parametrized=False)
        for p in aligned.module.parameters():
            p.requires_grad_(True)
    write_bytes(Path(out), save(found))
    return Path(out)


def _copy(module: nn.Module) -> nn.Module:
    from copy import deepcopy

    return deepcopy(module)
