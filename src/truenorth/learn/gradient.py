"""One task's part of a step: its loss and its gradient, exact under any split into micro-batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from truenorth.learn.coupling import shaped
from truenorth.learn.order import micro_batches
from truenorth.learn.reference import Reference
from truenorth.learn.types import Distribution, Example, Needs, Objective
from truenorth.models.forward import Forward
from truenorth.models.head import Head, add_logit_gradient, backward, blocks, target_logps


class Part(NamedTuple):
    """What a task's batch came to."""

    loss: Tensor  # (), the task's average
    logp_T: Tensor  # log-prob of every completion token, in order (for distributions: the loss of each)
    reference_T: Tensor | None
    lengths: tuple[int, ...]  # tokens of each completion


class Work(NamedTuple):
    """A task made ready: its functions looked up, its reference computed."""

    name: str
    objective: Objective
    needs: Needs
    average: str
    weight: float
    reference: Reference | None


def denominator(average: str, examples: Sequence[Example], *, each_answer: bool) -> float:
    """What a batch's weighted sum of losses is divided by: weights, or weights times tokens.

    Args:
        each_answer: the objective returns a number per completion, not per example.
    """
    if average == "per_token":
        return sum(e.weight * sum(map(len, e.completions)) for e in examples)
    return sum(e.weight * (len(e.completions) if each_answer else 1) for e in examples)


def task_gradient(
    forward: Forward, work: Work, examples: Sequence[Example], indices: Sequence[int], micro_tokens: int
) -> Part:
    """Add the gradient of `work.weight` times the batch's average loss to the parameters' `.grad`."""
    each_answer = work.needs.coupling in ("answer", "distribution")
    total = denominator(work.average, examples, each_answer=each_answer)
    known = _references(work, indices, forward.device)
    slices = list(micro_batches(examples, micro_tokens))
    if work.needs.coupling == "batch":
        return _whole_batch(forward, work, examples, known, slices, total)
    parts = [_micro(forward, work, examples[at], known and known[at], total) for at in slices]
    return Part(
        torch.stack([p.loss for p in parts]).sum(),
        torch.cat([p.logp_T for p in parts]),
        torch.cat(known) if known and work.needs.coupling != "distribution" else None,
        tuple(n for p in parts for n in p.lengths),
    )


def _references(work: Work, indices: Sequence[int], device: torch.device) -> list[Tensor] | None:
    if work.reference is None:
        return None
    return [work.reference.values[i].to(device) for i in indices]


def _micro(
    forward: Forward, work: Work, examples: Sequence[Example], known: list[Tensor] | None, total: float
) -> Part:
    layout = forward.lay_out(examples)
    rows_TD = forward.rows(examples, layout)
    leaf_TD = rows_TD.detach()
    if work.needs.coupling == "distribution":
        loss, logp_T, grad_TD = _distributions(forward, work, leaf_TD, examples, known, total)
    else:
        loss, logp_T, grad_TD = _answers(
            forward, work, leaf_TD, layout.target_T, examples, layout.lengths, known, total
        )
    rows_TD.backward(grad_TD)
    return Part(loss, logp_T, None, layout.lengths)


def _answers(forward, work, leaf_TD, target_T, examples, lengths, known, total):
    """Objectives that couple the completions of one example at most: the head runs once, block by block."""
    counts = [len(e.completions) for e in examples]
    by_answer = work.needs.coupling == "answer"
    if by_answer:
        group_lengths = list(lengths)
        weights = [e.weight for e in examples for _ in e.completions]
    else:
        group_lengths = [sum(map(len, e.completions)) for e in examples]
        weights = [e.weight for e in examples]
    first = [0]
    for count in [1] * len(lengths) if by_answer else counts:
        first.append(first[-1] + count)
    reference_T = torch.cat(known) if known else None
    weight_G = torch.tensor(weights, device=leaf_TD.device) / total
    starts = [0]
    for n in group_lengths:
        starts.append(starts[-1] + n)
    losses: list[Tensor] = []

    def coefficients(groups: slice, logp_t: Tensor) -> Tensor:
        inside = lengths[first[groups.start] : first[groups.stop]]
        sizes = counts[groups] if not by_answer else [1] * len(inside)
        known_t = None if reference_T is None else reference_T[starts[groups.start] : starts[groups.stop]]
        loss_g, grad_t = _objective_gradient(work, logp_t, known_t, inside, sizes, weight_G[groups])
        losses.append(loss_g)
        return grad_t * work.weight

    logp_T, grad_TD = backward(forward.head, leaf_TD, target_T, group_lengths, coefficients)
    return torch.stack(losses).sum(), logp_T, grad_TD


def _objective_gradient(work, logp_t, known_t, lengths, counts, weight_g) -> tuple[Tensor, Tensor]:
    leaf_t = logp_t.detach().clone().requires_grad_()
    arguments = [shaped(work.needs.coupling, leaf_t, lengths, counts)]
    if work.needs.reference:
        arguments.append(shaped(work.needs.coupling, known_t, lengths, counts))
    with torch.enable_grad():
        loss = (work.objective(*arguments) * weight_g).sum()
        (grad_t,) = torch.autograd.grad(loss, leaf_t)
    return loss.detach(), grad_t


def _distributions(forward, work, leaf_TD, examples, known, total):
    """Objectives over whole distributions: blocks of rows, policy and reference logits side by side."""
    head, reference = forward.head, work.reference
    weight_T = torch.tensor(
        [e.weight / total for e in examples for c in e.completions for _ in c], device=leaf_TD.device
    )
    known_TD = torch.cat(known).to(leaf_TD.dtype) if known else None
    grad_TD, loss_T = torch.empty_like(leaf_TD), torch.empty(len(leaf_TD), device=leaf_TD.device)
    for _, at in blocks([1] * len(leaf_TD), head.vocabulary(leaf_TD)):
        raw_TV = Head(head.weight_VD, head.bias_V).logits(leaf_TD[at]).detach().requires_grad_()
        with torch.enable_grad():
            capped = Head(None).logits(raw_TV * head.scale if head.scale != 1.0 else raw_TV)
            if head.softcap is not None:
                capped = head.softcap * torch.tanh(capped / head.softcap)
            arguments = [Distribution(capped.log_softmax(1))]
            if known_TD is not None:
                with torch.no_grad():
                    arguments.append(Distribution(reference.head.logits(known_TD[at]).log_softmax(1)))
            loss_t = work.objective(*arguments)
            (grad_TV,) = torch.autograd.grad((loss_t * weight_T[at]).sum() * work.weight, raw_TV)
        loss_T[at] = loss_t.detach()
        add_logit_gradient(Head(head.weight_VD, head.bias_V), leaf_TD[at], grad_TV, grad_TD[at])
    return (loss_T * weight_T).sum(), loss_T, grad_TD


def _whole_batch(forward, work, examples, known, slices, total) -> Part:
    """Objectives that couple the batch: log-probs of all of it first, then a second pass for the gradient."""
    parts = []
    for at in slices:
        layout = forward.lay_out(examples[at])
        with torch.no_grad():
            rows_TD = forward.rows(examples[at], layout)
        parts.append(target_logps(forward.head, rows_TD, layout.target_T))
    logp_T = torch.cat(parts)
    lengths = tuple(len(c) for e in examples for c in e.completions)
    counts = [len(e.completions) for e in examples]
    weight_G = torch.tensor([e.weight for e in examples], device=logp_T.device) / total
    known_T = torch.cat(known) if known else None
    loss, grad_T = _objective_gradient(work, logp_T, known_T, lengths, counts, weight_G)
    grad_T, start = grad_T * work.weight, 0
    for at in slices:
        layout = forward.lay_out(examples[at])
        rows_TD = forward.rows(examples[at], layout)
        here_t = grad_T[start : start + len(rows_TD)]
        start += len(rows_TD)
        ones = [1] * len(rows_TD)
        _, grad_TD = backward(forward.head, rows_TD.detach(), layout.target_T, ones, _given(here_t))
        rows_TD.backward(grad_TD)
    return Part(loss, logp_T, known_T, lengths)


def _given(grad_T: Tensor):
    return lambda groups, _: grad_T[groups]
