"""Gradients of objectives that read whole distributions: both models' logits side by side, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from truenorth.learn.columns import cells, tensors
from truenorth.learn.types import Distribution, Example
from truenorth.learn.work import Part, Work, starts, weighted_loss
from truenorth.models.forward import Forward
from truenorth.models.head import Head, add_logit_gradient, blocks


def with_kl(forward, work, leaf_TD, target_T, groups, lengths, known_TD):
    """Objectives that also read the divergence of whole distributions, both models' logits block by block."""
    head, first = forward.head, starts(groups.sizes)
    grad_TD, losses, found = torch.empty_like(leaf_TD), [], []
    for of, at in blocks(groups.lengths, head.vocabulary(leaf_TD)):
        target_t1 = target_T[at, None]
        old_tV = _teacher(work, known_TD[at], head.vocabulary(leaf_TD))
        width = head.vocabulary(leaf_TD) if old_tV is None else old_tV.shape[1]
        raw_tV, new_tV = _leaf_logits(head, leaf_TD[at], width)
        with torch.enable_grad():
            logp_t = new_tV.gather(1, target_t1)[:, 0]
            old_t, kl_t = _divergence(work, known_TD[at], old_tV, new_tV, target_t1)
            inside = lengths[first[of.start] : first[of.stop]]
            loss = weighted_loss(work, groups, of, inside, logp_t, old_t, kl_t)
            (grad_tV,) = torch.autograd.grad(loss * work.weight, raw_tV)
        add_logit_gradient(_plain(head), leaf_TD[at], grad_tV, grad_TD[at])
        losses.append(loss.detach())
        found.append((logp_t.detach(), old_t))
    logp_T, old_T = (torch.cat(column) for column in zip(*found))
    return torch.stack(losses).sum(), logp_T, old_T, grad_TD


def _teacher(work, known_td, width) -> Tensor | None:
    """(t, V) the reference's log-probs; None where only its likeliest words are kept."""
    if work.reference.top:
        return None
    with torch.no_grad():
        return _log_softmax(work.reference.head, known_td, width)


def _divergence(work, known_td, old_tV, new_tV, target_t1) -> tuple[Tensor, Tensor]:
    """(t,) the reference's log-prob of each token, and KL(reference || policy) over all words or those kept."""
    if old_tV is not None:
        return old_tV.gather(1, target_t1)[:, 0], (old_tV.exp() * (old_tV - new_tV)).sum(1)
    top, word_tk = work.reference.top, known_td[:, 1 + work.reference.top :].long()
    old_tk, both_tk = known_td[:, 1 : 1 + top], word_tk < new_tV.shape[1]
    new_tk = new_tV.gather(1, word_tk.clamp(max=new_tV.shape[1] - 1))
    return known_td[:, 0], (old_tk.exp() * (old_tk - new_tk) * both_tk).sum(1)


def spread(
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
