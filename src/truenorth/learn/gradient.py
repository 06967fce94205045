"""One task's part of a step: its loss and its gradient, exact under any split into micro-batches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from truenorth.base import UserError
from truenorth.learn.columns import cells, tensors
from truenorth.learn.coupling import shaped_scores
from truenorth.learn.distributions import spread, with_kl
from truenorth.learn.order import even_batches
from truenorth.learn.types import SCORED, Example, StatePair
from truenorth.learn.work import Part, Work, denominator, grouped, loss_gradient, starts
from truenorth.models.forward import Forward
from truenorth.models.head import backward, target_logps
from truenorth.models.score_head import ScoreForward, states


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
        return _joined([spread(forward, work, examples[at], indices[at], total) for at in slices], None)
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
    known_T, run = torch.cat(known) if known else None, with_kl if work.needs.kl else _answers
    loss, logp_T, reference_T, grad_TD = run(
        forward, work, leaf_TD, layout.target_T, groups, layout.lengths, known_T
    )
    rows_TD.backward(grad_TD)
    return Part(loss, logp_T, reference_T, layout.lengths)


def _answers(forward, work, leaf_TD, target_T, groups, lengths, known_T):
    """Objectives that couple the completions of one example at most: the head runs once, block by block."""
    first, row = starts(groups.sizes), starts(groups.lengths)
    losses: list[Tensor] = []

    def coefficients(at: slice, logp_t: Tensor) -> Tensor:
        inside = lengths[first[at.start] : first[at.stop]]
        known_t = None if known_T is None else known_T[row[at.start] : row[at.stop]]
        loss_g, grad_t = loss_gradient(work, logp_t, known_t, inside, groups, at)
        losses.append(loss_g)
        return grad_t * work.weight

    logp_T, grad_TD = backward(forward.head, leaf_TD, target_T, groups.lengths, coefficients)
    return torch.stack(losses).sum(), logp_T, None, grad_TD


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
    loss, grad_T = loss_gradient(work, logp_T, known_T, lengths, groups, slice(None))
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
