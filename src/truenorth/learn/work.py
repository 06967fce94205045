"""A task made ready and a micro-batch of it: what is coupled, what each part weighs, what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor

from truenorth.learn.columns import cells, tensors
from truenorth.learn.coupling import shaped
from truenorth.learn.reference import Reference
from truenorth.learn.types import Example, Needs, Objective


class Part(NamedTuple):
    """What a task's batch came to."""

    loss: Tensor  # (), the task's average
    logp_T: Tensor  # log-prob of every completion token, in order (for distributions: the loss of each)
    reference_T: Tensor | None
    lengths: tuple[int, ...]  # tokens of each completion
    score_BK: Tensor | None = None  # what a score head said: of each completion, or of each of its tokens


class Work(NamedTuple):
    """A task made ready: its functions looked up, its reference computed."""

    name: str
    objective: Objective
    needs: Needs
    average: str
    weight: float
    reference: Reference | None
    models: Mapping[str, Reference] = {}


class Groups(NamedTuple):
    """A micro-batch as what the objective couples: completions one by one, or the examples that hold them."""

    lengths: list[int]  # tokens of each group
    sizes: list[int]  # completions of each group
    weight_G: Tensor  # of each group's loss, already divided by the batch's denominator
    columns: Mapping[str, Sequence[Any]]


def denominator(average: str, examples: Sequence[Example], *, each_answer: bool) -> float:
    """What a batch's weighted sum of losses is divided by: weights, or weights times tokens or labels.

    Args:
        each_answer: the objective returns a number per completion, not per example.
    """
    if average == "per_token":
        return sum(e.weight * sum(map(len, e.completions)) for e in examples)
    if average == "per_step":
        each = cells(Needs("token_score", False, average, {}, ("labels",)), examples)["labels"]
        weights = [e.weight for e in examples for c in e.completions for _ in c]
        return max(sum(w for w, x in zip(weights, each) if x is not None and x == x), 1e-12)
    return sum(e.weight * (len(e.completions) if each_answer else 1) for e in examples)


def grouped(
    need: Needs, examples: Sequence[Example], lengths: Sequence[int], total: float, device: torch.device
) -> Groups:
    """A micro-batch as the groups that its objective couples."""
    if need.coupling == "answer":
        sizes = [1] * len(lengths)
        group_lengths, weights = list(lengths), [e.weight for e in examples for _ in e.completions]
    else:
        sizes = [len(e.completions) for e in examples]
        group_lengths = [sum(map(len, e.completions)) for e in examples]
        weights = [e.weight for e in examples]
    return Groups(group_lengths, sizes, torch.tensor(weights, device=device) / total, cells(need, examples))


def starts(sizes: Sequence[int]) -> list[int]:
    """Where each of some runs of these sizes begins, and where the last ends."""
    return [0, *accumulate(sizes)]


def loss_gradient(work, logp_t, known_t, lengths, groups, at) -> tuple[Tensor, Tensor]:
    """The weighted loss of some groups, and its gradient to their log-probs."""
    leaf_t = logp_t.detach().clone().requires_grad_()
    with torch.enable_grad():
        loss = weighted_loss(work, groups, at, lengths, leaf_t, known_t)
        (grad_t,) = torch.autograd.grad(loss, leaf_t)
    return loss.detach(), grad_t


def weighted_loss(work, groups, at, lengths, logp_t, known_t, kl_t=None) -> Tensor:
    """The weighted sum of the losses of some groups."""
    coupling, sizes = work.needs.coupling, groups.sizes[at]
    given = {"policy": logp_t, "reference": known_t, "kl": kl_t}
    asked = {
        name: shaped(coupling, value, lengths, sizes) for name, value in given.items() if value is not None
    }
    columns = tensors(coupling, groups.columns, at, logp_t.device)
    return (work.objective(**asked, **columns) * groups.weight_G[at]).sum()
