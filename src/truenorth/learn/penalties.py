"""Terms of the loss that no examples of their own define: holding weights, and blunting a harmful step.

A penalty is given to `fit(penalties=[...])`. It is asked once before the first step and then after every step's
gradients, to which it adds its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from truenorth.base import UserError, content_hash
from truenorth.learn.order import micro_batches
from truenorth.learn.types import Example, Task
from truenorth.models.head import backward, blocks
from truenorth.models.opening import open_forward


class Start(NamedTuple):
    """What a penalty may use: the weights in training, and the gradient of a task it brings along."""

    trained: Mapping[str, torch.nn.Parameter]
    prepare: Callable[[Task], Callable[[int], float]]  # -> add its gradient at a step to `.grad`; its loss


class Penalty(Protocol):
    """`name` stands in the step's numbers as `NAME/loss`; `tasks` are checked as the fit's own are."""

    @property
    def name(self) -> str: ...
    @property
    def tasks(self) -> Sequence[Task]: ...
    def describe(self) -> Any: ...  # for the checkpoint: what a resumed fit must have in common
    def begin(self, start: Start) -> Callable[[int], float]: ...  # (step) -> its loss, its gradient added


@dataclass(frozen=True, eq=False)
class Anchor:
    """weight / 2 * sum of importance * (w - w at the start)^2: EWC, or L2-SP without importances.

    Args:
        weight: 1e2 to 1e5 with importances of mean 1 (they have no scale of their own).
        importance: by the parameter's name, such as `fisher` gives; None counts all weights as 1.
        towards: weights to hold to; by default those that the fit starts from.

    Source: Kirkpatrick et al. 2017 (arXiv:1612.00796), eq. 3; Li et al. 2018 (arXiv:1802.01483) for L2-SP.
    """

    weight: float
    importance: Mapping[str, Tensor] | None = None
    towards: Mapping[str, Tensor] | None = None
    name: str = "weights"
    tasks: tuple[Task, ...] = ()

    def describe(self) -> Any:
        kept = [_hashed(t) for t in (self.importance, self.towards)]
        return ["anchor", self.name, self.weight, kept]

    def begin(self, start: Start) -> Callable[[int], float]:
        for given, what in ((self.importance, "importances"), (self.towards, "weights to hold to")):
            missing = [n for n in start.trained if given is not None and n not in given]
            if missing:
                raise UserError(
                    f"no {what} for {missing[0]}", where=self.name, fix="compute them for this model"
                )
        towards = {
            n: (self.towards[n] if self.towards is not None else p).detach().clone().to(p.device)
            for n, p in start.trained.items()
        }

        def add(step: int) -> float:
            with torch.no_grad():
                values = [self._add(n, p, towards[n]) for n, p in start.trained.items()]
                return float(torch.stack(values).sum())

        return add

    def _add(self, name: str, p: torch.nn.Parameter, towards: Tensor) -> Tensor:
        pull = (p - towards) * self.weight
        if self.importance is not None:
            pull = pull * self.importance[name].to(p.device)
        p.grad = pull if p.grad is None else p.grad.add_(pull)
        return (pull * (p - towards)).sum() / 2


@dataclass(frozen=True)
class Booster:
    """weight * (h(w) - h(w - step * g / |g|)), g the gradient of a harmful task's loss h.

    During alignment it makes one harmful step gain little, so that later harmful fine-tuning learns slowly.
    The gradient leaves out second derivatives: three passes in all.

    Args:
        harmful: harmful requests with harmful answers (`Task("harmful", examples, "sft")`).
        weight: 5 in the authors' scripts.
        step: length of the harmful step, over all trained weights.

    Source: Huang et al. 2024, Booster (arXiv:2409.01586), eq. 2, and git-disl/Booster.
    """

    harmful: Task
    weight: float = 5.0
    step: float = 0.1
    name: str = "booster"

    @property
    def tasks(self) -> tuple[Task, ...]:
        return (self.harmful,)

    def describe(self) -> Any:
        return ["booster", self.name, self.weight, self.step]

    def begin(self, start: Start) -> Callable[[int], float]:
        gradient, trained = start.prepare(self.harmful), start.trained

        def alone(step: int) -> tuple[float, dict[str, Tensor]]:
            for p in trained.values():
                p.grad = torch.zeros_like(p)
            return gradient(step), {n: p.grad for n, p in trained.items() if p.grad is not None}

        def add(step: int) -> float:
            before = {n: p.grad for n, p in trained.items()}
            weights = {n: p.detach().clone() for n, p in trained.items()}
            here, there_grad = alone(step)
            norm = torch.stack([g.square().sum() for g in there_grad.values()]).sum().sqrt() + 1e-7
            with torch.no_grad():
                for n, p in trained.items():
                    p.sub_(there_grad[n] * (self.step / norm))
            after, after_grad = alone(step)
            with torch.no_grad():
                for n, p in trained.items():
                    p.copy_(weights[n])
                    added = self.weight * (there_grad[n] - after_grad[n])
                    old = before[n]
                    p.grad = added if old is None else old.add_(added)
            return self.weight * (here - after)

        return add


def fisher(
    policy: Any,
    examples: Sequence[Example],
    *,
    seed: int = 0,
    data_labels: bool = False,
    scaled: bool = True,
) -> dict[str, Tensor]:
    """The diagonal of the Fisher information of each trained weight.

    The mean over examples of the squared gradient of an example's log-likelihood, its tokens drawn from the
    model at each place of the example's completions. 200 to 2,000 examples of what is not to be forgotten.

    Args:
        data_labels: take the data's tokens instead of drawn ones: the "empirical Fisher", another quantity.
        scaled: to a mean of 1 over all weights; else as it is, so that two models can be compared (`fisher` merging).

    Source: Kirkpatrick et al. 2017; Kunstner et al. 2019 (arXiv:1905.12558) on why the tokens are drawn.
    """
    module = policy.module
    forward = open_forward(module)
    trained = {n: p for n, p in module.named_parameters() if p.requires_grad}
    kept = {n: p.grad for n, p in trained.items()}
    total = {n: torch.zeros_like(p) for n, p in trained.items()}
    draw = torch.Generator().manual_seed(seed)
    for at in micro_batches(examples, 1):  # one by one: the square of a sum is not the sum of squares
        layout = forward.lay_out(examples[at])
        for p in trained.values():
            p.grad = torch.zeros_like(p)
        rows_TD = forward.rows(examples[at], layout)
        target_T = layout.target_T if data_labels else _drawn(forward.head, rows_TD.detach(), draw)
        ones = [1] * len(rows_TD)
        _, grad_TD = backward(forward.head, rows_TD.detach(), target_T, ones, lambda _, t: torch.ones_like(t))
        rows_TD.backward(grad_TD)
        for n, p in trained.items():
            if p.grad is not None:
                total[n].add_(p.grad.square())
    for n, p in trained.items():
        p.grad = kept[n]
    if not scaled:
        return {n: t / len(examples) for n, t in total.items()}
    mean = sum(float(t.sum()) for t in total.values()) / sum(t.numel() for t in total.values())
    return {n: t / mean for n, t in total.items()}


def _drawn(head: Any, rows_TD: Tensor, draw: torch.Generator) -> Tensor:
    """(T,) a token for each row, from the model's own distribution."""
    found = []
    with torch.no_grad():
        for _, at in blocks([1] * len(rows_TD), head.vocabulary(rows_TD)):
            p_TV = head.logits(rows_TD[at]).softmax(1).cpu()
            found.append(torch.multinomial(p_TV, 1, generator=draw)[:, 0])
    return torch.cat(found).to(rows_TD.device)


def _hashed(tensors: Mapping[str, Tensor] | None) -> Any:
    if tensors is None:
        return None
    return [[n, content_hash(t.detach().float().cpu().numpy().tobytes())] for n, t in sorted(tensors.items())]
