"""One task's part of a step: its loss and its gradient, exact under any split into micro-batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor

from truenorth.base import UserError
from truenorth.learn.columns import cells, tensors
from truenorth.learn.coupling import shaped, shaped_scores
from truenorth.learn.order import even_batches
from truenorth.learn.reference import Reference
from truenorth.learn.types import SCORED, Distribution, Example, Needs, Objective, StatePair
from truenorth.models.forward import Forward
from truenorth.models.head import Head, add_logit_gradient, backward, blocks, target_logps
from truenorth.models.score_head import ScoreForward, states


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


def task_gradient(
    forward: Forward | ScoreForward,
    work: Work,
    examples: Sequence[Example],
    indices: Sequence[int],
    micro_tokens: int,
) -> Part:
    """Add the gradient of `work.weight` times the batch's average loss to the parameters' `.grad`."""
    each_answer = work.needs.coupling in ("answer", "distribution", "score", "token_score")
    total = denominator(work.average, examples, each_answer=each_answer)
    slices = even_batches(examples, micro_tokens)
    if work.needs.coupling in SCORED:
        assert isinstance(forward, ScoreForward)
        return _joined([_scores(forward, work, examples[at], total) for at in slices], None)
    assert isinstance(forward, Forward)
    if work.needs.coupling == "distribution":
        return _joined([_spread(forward, work, examples[at], indices[at], total) for at in slices], None)
    if work.needs.coupling == "state_pair":
        return _states(forward, work, examples, slices, total)
    known = _references(work, indices, forward.device)
    if work.needs.coupling == "batch":
        return _whole_batch(forward, work, examples, known, slices, total)
    parts = [_micro(forward, work, examples[at], known and known[at], total) for at in slices]
    return _joined(parts, torch.cat(known) if known and not work.needs.kl else None)


def _joined(parts: Sequence[Part], reference_T: Tensor | None) -> Part:
    scores = [p.score_BK for p in parts if p.score_BK is not None]
    known = [p.reference_T for p in parts if p.reference_T is not None]
    return Part(
        torch.stack([p.loss for p in parts]).sum(),
        torch.cat([p.logp_T for p in parts]),
        torch.cat(known) if known else reference_T,
        tuple(n for p in parts for n in p.lengths),
        torch.cat(scores) if scores else None,
    )


def _references(work: Work, indices: Sequence[int], device: torch.device) -> list[Tensor] | None:
    if work.reference is None:
        return None
    return [work.reference.values[i].to(device) for i in indices]


def _scores(forward: ScoreForward, work: Work, examples: Sequence[Example], total: float) -> Part:
    """Objectives over a score head. Its few outputs are no memory, so autograd does all of it."""
    coupling = work.needs.coupling
    value_BK = forward.scores(examples, each_token=coupling == "token_score")
    columns = tensors(coupling, cells(work.needs, examples), slice(None), value_BK.device)
    if coupling == "token_score":
        weights = [e.weight for e in examples for c in e.completions for _ in c]
    elif coupling == "score":
        weights = [e.weight for e in examples for _ in e.completions]
    else:
        weights = [e.weight for e in examples]
    loss_G = work.objective(policy=shaped_scores(coupling, value_BK), **columns)
    loss = (loss_G * torch.tensor(weights, device=value_BK.device)).sum() / total
    (loss * work.weight).backward()
    lengths = tuple(len(c) for e in examples for c in e.completions)
    return Part(loss.detach(), value_BK.detach()[:0, 0], None, lengths, value_BK.detach())


def _micro(
    forward: Forward, work: Work, examples: Sequence[Example], known: list[Tensor] | None, total: float
) -> Part:
    layout = forward.lay_out(examples)
    rows_TD = forward.rows(examples, layout)
    leaf_TD = rows_TD.detach()
    groups = grouped(work.needs, examples, layout.lengths, total, leaf_TD.device)
    known_T, run = torch.cat(known) if known else None, _with_kl if work.needs.kl else _answers
    loss, logp_T, reference_T, grad_TD = run(
        forward, work, leaf_TD, layout.target_T, groups, layout.lengths, known_T
    )
    rows_TD.backward(grad_TD)
    return Part(loss, logp_T, reference_T, layout.lengths)


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


def _starts(sizes: Sequence[int]) -> list[int]:
    return [0, *accumulate(sizes)]


def _answers(forward, work, leaf_TD, target_T, groups, lengths, known_T):
    """Objectives that couple the completions of one example at most: the head runs once, block by block."""
    first, starts = _starts(groups.sizes), _starts(groups.lengths)
    losses: list[Tensor] = []

    def coefficients(at: slice, logp_t: Tensor) -> Tensor:
        inside = lengths[first[at.start] : first[at.stop]]
        known_t = None if known_T is None else known_T[starts[at.start] : starts[at.stop]]
        loss_g, grad_t = _objective_gradient(work, logp_t, known_t, inside, groups, at)
        losses.append(loss_g)
        return grad_t * work.weight

    logp_T, grad_TD = backward(forward.head, leaf_TD, target_T, groups.lengths, coefficients)
    return torch.stack(losses).sum(), logp_T, None, grad_TD


def _objective_gradient(work, logp_t, known_t, lengths, groups, at) -> tuple[Tensor, Tensor]:
    leaf_t = logp_t.detach().clone().requires_grad_()
    with torch.enable_grad():
        loss = _objective(work, groups, at, lengths, leaf_t, known_t)
        (grad_t,) = torch.autograd.grad(loss, leaf_t)
    return loss.detach(), grad_t


def _objective(work, groups, at, lengths, logp_t, known_t, kl_t=None) -> Tensor:
    """The weighted sum of the losses of some groups."""
    coupling, sizes = work.needs.coupling, groups.sizes[at]
    given = {"policy": logp_t, "reference": known_t, "kl": kl_t}
    asked = {
        name: shaped(coupling, value, lengths, sizes) for name, value in given.items() if value is not None
    }
    columns = tensors(coupling, groups.columns, at, logp_t.device)
    return (work.objective(**asked, **columns) * groups.weight_G[at]).sum()


def _with_kl(forward, work, leaf_TD, target_T, groups, lengths, known_TD):
    """Objectives that also read the divergence of whole distributions, both models' logits block by block."""
    head, first = forward.head, _starts(groups.sizes)
    grad_TD, losses, found = torch.empty_like(leaf_TD), [], []
    for of, at in blocks(groups.lengths, head.vocabulary(leaf_TD)):
        target_t1 = target_T[at, None]
        with torch.no_grad():
            old_tV = _log_softmax(work.reference.head, known_TD[at], head.vocabulary(leaf_TD))
        raw_tV, new_tV = _leaf_logits(head, leaf_TD[at], old_tV.shape[1])
        with torch.enable_grad():
            logp_t = new_tV.gather(1, target_t1)[:, 0]
            kl_t = (old_tV.exp() * (old_tV - new_tV)).sum(1)
            old_t = old_tV.gather(1, target_t1)[:, 0]
            inside = lengths[first[of.start] : first[of.stop]]
            loss = _objective(work, groups, of, inside, logp_t, old_t, kl_t)
            (grad_tV,) = torch.autograd.grad(loss * work.weight, raw_tV)
        add_logit_gradient(_plain(head), leaf_TD[at], grad_tV, grad_TD[at])
        losses.append(loss.detach())
        found.append((logp_t.detach(), old_t))
    logp_T, old_T = (torch.cat(column) for column in zip(*found))
    return torch.stack(losses).sum(), logp_T, old_T, grad_TD


def _spread(
    forward: Forward, work: Work, examples: Sequence[Example], indices: Sequence[int], total: float
) -> Part:
    """Objectives over whole distributions: blocks of rows, the models' logits side by side."""
    layout = forward.lay_out(examples)
    rows_TD = forward.rows(examples, layout)
    leaf_TD, head = rows_TD.detach(), forward.head
    weight_T = torch.tensor(
        [e.weight / total for e in examples for c in e.completions for _ in c], device=leaf_TD.device
    )
    columns = cells(work.needs, examples)
    others = dict(work.models) | ({"reference": work.reference} if work.reference else {})
    known = {n: torch.cat([r.values[i] for i in indices]).to(leaf_TD.device) for n, r in others.items()}
    widths = [r.head.vocabulary(known[n]) for n, r in others.items() if r.head]
    width = min([head.vocabulary(leaf_TD), *widths])
    grad_TD, loss_T = torch.empty_like(leaf_TD), torch.empty(len(leaf_TD), device=leaf_TD.device)
    for _, at in blocks([1] * len(leaf_TD), head.vocabulary(leaf_TD)):
        with torch.no_grad():
            given: dict[str, Any] = {
                n: Distribution(_log_softmax(r.head, known[n][at], width))
                for n, r in others.items()
                if r.head
            }
        given |= tensors("distribution", columns, at, leaf_TD.device)
        raw_tV, new_tV = _leaf_logits(head, leaf_TD[at], width)
        with torch.enable_grad():
            loss_t = work.objective(policy=Distribution(new_tV), **given)
            (grad_tV,) = torch.autograd.grad((loss_t * weight_T[at]).sum() * work.weight, raw_tV)
        loss_T[at] = loss_t.detach()
        add_logit_gradient(_plain(head), leaf_TD[at], grad_tV, grad_TD[at])
    rows_TD.backward(grad_TD)
    return Part((loss_T * weight_T).sum(), loss_T, None, layout.lengths)


def _log_softmax(head: Head, rows_TD: Tensor, width: int) -> Tensor:
    """(T, V) over the words that both models have: tables are often padded to different sizes."""
    return head.logits(rows_TD)[:, :width].log_softmax(1)


def _leaf_logits(head: Head, rows_TD: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """(T, V) the head's product, a leaf of its own graph, and the log-probs over its first `width` words."""
    raw_TV = _plain(head).logits(rows_TD).detach().requires_grad_()
    with torch.enable_grad():
        logits_TV = raw_TV * head.scale if head.scale != 1.0 else raw_TV
        if head.softcap is not None:
            logits_TV = head.softcap * torch.tanh(logits_TV / head.softcap)
        return raw_TV, logits_TV[:, :width].log_softmax(1)


def _plain(head: Head) -> Head:
    """The head's product alone, without scale and cap."""
    return Head(head.weight_VD, head.bias_V)


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
    groups = grouped(work.needs, examples, lengths, total, logp_T.device)
    known_T = torch.cat(known) if known else None
    loss, grad_T = _objective_gradient(work, logp_T, known_T, lengths, groups, slice(None))
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


def _states(
    forward: Forward, work: Work, examples: Sequence[Example], slices: Sequence[slice], total: float
) -> Part:
    """Objectives over what the body holds after each text: states of all of the batch first, then a second pass."""
    if forward.path == "logits":
        raise UserError("this model's states are not to be had, only its logits", where=f"task {work.name}")
    with torch.no_grad():
        state_BD = torch.cat([states(forward, examples[at]).float() for at in slices]).requires_grad_()
    weight_G = torch.tensor([e.weight for e in examples], device=state_BD.device) / total
    columns = tensors(work.needs.coupling, cells(work.needs, examples), slice(None), state_BD.device)
    with torch.enable_grad():
        loss = (work.objective(policy=StatePair(state_BD[0::2], state_BD[1::2]), **columns) * weight_G).sum()
        (grad_BD,) = torch.autograd.grad(loss * work.weight, state_BD)
    for at in slices:
        rows_BD = states(forward, examples[at])
        rows_BD.backward(grad_BD[2 * at.start : 2 * at.stop].to(rows_BD.dtype))
    lengths = tuple(len(c) for e in examples for c in e.completions)
    return Part(loss.detach(), state_BD.detach()[:0, 0], None, lengths)


def _given(grad_T: Tensor):
    return lambda groups, _: grad_T[groups]
