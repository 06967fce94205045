"""The language model head over completion tokens only, in blocks: [all tokens, vocabulary] is never held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

BLOCK = 1 << 22  # logits held at once (16 MB in float32: half a level-three cache)


@dataclass(frozen=True)
class Head:
    """logits = cap(scale * (rows @ weight.T + bias)). `weight_VD` None: the rows are the logits already."""

    weight_VD: Tensor | None
    bias_V: Tensor | None = None
    scale: float = 1.0
    softcap: float | None = None

    def logits(self, rows_TD: Tensor) -> Tensor:
        """(T, V), float32."""
        if self.weight_VD is None:
            return rows_TD.float()
        weight = self.weight_VD.to(rows_TD.dtype)
        bias = None if self.bias_V is None else self.bias_V.to(rows_TD.dtype)
        logits = torch.nn.functional.linear(rows_TD, weight, bias).float()
        if self.scale != 1.0:
            logits = logits * self.scale
        return logits if self.softcap is None else self.softcap * torch.tanh(logits / self.softcap)

    def vocabulary(self, rows_TD: Tensor) -> int:
        return rows_TD.shape[-1] if self.weight_VD is None else self.weight_VD.shape[0]

    def frozen(self) -> Head:
        """A copy that later training of the model does not change."""
        copy = [None if t is None else t.detach().clone() for t in (self.weight_VD, self.bias_V)]
        return Head(copy[0], copy[1], self.scale, self.softcap)


def head_of(module: Any) -> Head:
    """The head of a transformers causal LM (unwrapped from peft), as its configuration describes it.

    Source: `final_logit_softcapping` (Gemma), `logits_scaling` (Granite), `logit_scale` (Cohere).
    """
    layer = module.get_output_embeddings()
    config = module.config.get_text_config()
    if type(layer) is not torch.nn.Linear:
        raise TypeError(f"the head is a {type(layer).__name__}, not a Linear")
    scale = 1.0 / (getattr(config, "logits_scaling", None) or 1.0)
    scale *= getattr(config, "logit_scale", None) or 1.0
    return Head(layer.weight, layer.bias, scale, getattr(config, "final_logit_softcapping", None))


def target_logps(head: Head, rows_TD: Tensor, target_T: Tensor) -> Tensor:
    """(T,) float32 log-probabilities (nats) of the targets, in blocks, without gradient."""
    with torch.no_grad():
        out_T = torch.empty(len(rows_TD), device=rows_TD.device)
        size = max(1, BLOCK // head.vocabulary(rows_TD))
        for at in range(0, len(rows_TD), size):
            logits_TV = head.logits(rows_TD[at : at + size])
            picked_T = logits_TV.gather(1, target_T[at : at + size, None])[:, 0]
            out_T[at : at + size] = picked_T - torch.logsumexp(logits_TV, 1)
    return out_T


def blocks(lengths: Sequence[int], vocabulary: int) -> Iterator[tuple[slice, slice]]:
    """Whole groups of rows that fit `BLOCK` together: (which groups, which rows); at least one group each."""
    limit, first, start, at = max(1, BLOCK // vocabulary), 0, 0, 0
    for i, length in enumerate(lengths):
        if at + length - start > limit and i > first:
            yield slice(first, i), slice(start, at)
            first, start = i, at
        at += length
    if lengths:
        yield slice(first, len(lengths)), slice(start, at)


Coefficients = Callable[[slice, Tensor], Tensor]  # (groups, their log-probs (t,)) -> d loss / d log-prob (t,)


def backward(
    head: Head, rows_TD: Tensor, target_T: Tensor, lengths: Sequence[int], coefficients: Coefficients
) -> tuple[Tensor, Tensor]:
    """Log-probs (T,) and the loss's gradient to the rows (T, D), one pass over the logits.

    The gradient to the head's weight and bias is added to their `.grad` where they need one. A group's
    log-probs go to `coefficients` as soon as they are known, while its probabilities are still held, so no
    logit is computed twice. A block is a group at least: [longest group, vocabulary] is held.

    Args:
        lengths: rows of each group; objectives couple rows within a group only.
    """
    vocabulary = head.vocabulary(rows_TD)
    logp_T = torch.empty(len(rows_TD), device=rows_TD.device)
    grad_TD = torch.empty_like(rows_TD)
    steps = list(blocks(lengths, vocabulary))
    rows = max((at.stop - at.start for _, at in steps), default=0)
    buffer = torch.empty(rows, vocabulary, dtype=torch.float32, device=rows_TD.device)
    for groups, at in steps:
        block = _Block(head, rows_TD[at], target_T[at], buffer[: at.stop - at.start])
        logp_T[at] = block.logp_T
        block.add_gradient(coefficients(groups, block.logp_T), grad_TD[at])
    return logp_T, grad_TD


class _Block:
    """Probabilities of a block of rows, held between its forward and its backward pass."""

    def __init__(self, head: Head, rows_TD: Tensor, target_T: Tensor, buffer_TV: Tensor):
        self.head, self.rows_TD, self.target_T = head, rows_TD, target_T
        with torch.no_grad():
            logits_TV = self._logits(buffer_TV)
            picked_T = logits_TV.gather(1, target_T[:, None])[:, 0]
            top_T = logits_TV.amax(1)
            self.slope_TV = None if head.softcap is None else 1 - (logits_TV / head.softcap) ** 2
            self.p_TV = torch.softmax(logits_TV, 1, out=logits_TV)  # in place: one exp a logit
            # log-sum-exp from the largest probability, which cannot underflow (it is at least 1/V)
            self.logp_T = picked_T - top_T + torch.log(self.p_TV.amax(1))

    def _logits(self, buffer_TV: Tensor) -> Tensor:
        head = self.head
        if head.weight_VD is None:
            return buffer_TV.copy_(self.rows_TD)
        if self.rows_TD.dtype != torch.float32 or head.softcap is not None:
            return buffer_TV.copy_(head.logits(self.rows_TD))
        if head.bias_V is None:
            torch.mm(self.rows_TD, head.weight_VD.T, out=buffer_TV)
        else:
            torch.addmm(head.bias_V, self.rows_TD, head.weight_VD.T, out=buffer_TV)
        return buffer_TV if head.scale == 1.0 else buffer_TV.mul_(head.scale)

    def add_gradient(self, c_T: Tensor, out_TD: Tensor) -> None:
        """Write d loss / d rows to `out_TD`; add to the head's `.grad`.

        d logp / d logits = onehot(target) - p. The coefficient and the one-hot part stay out of [T, V]:
        they are a scaling of rows and a gather of the weight's rows.
        """
        head, p_TV = self.head, self.p_TV
        with torch.no_grad():
            if head.weight_VD is None or self.slope_TV is not None:
                grad_TV = p_TV.mul_(-c_T[:, None])
                grad_TV.scatter_add_(1, self.target_T[:, None], c_T[:, None])
                if self.slope_TV is not None:
                    grad_TV.mul_(self.slope_TV)
                return add_logit_gradient(head, self.rows_TD, grad_TV, out_TD)
            weight = head.weight_VD.detach().to(self.rows_TD.dtype)
            p_TV = p_TV.to(weight.dtype)
            scaled_T1 = (c_T * head.scale)[:, None].to(weight.dtype)
            torch.sub(weight.index_select(0, self.target_T), p_TV @ weight, out=out_TD).mul_(scaled_T1)
            if head.weight_VD.requires_grad:
                grad_VD = _grad(head.weight_VD)
                scaled_TD = self.rows_TD * scaled_T1
                _add_product(grad_VD, p_TV, scaled_TD, alpha=-1)
                grad_VD.index_add_(0, self.target_T, scaled_TD.to(grad_VD.dtype))
            if head.bias_V is not None and head.bias_V.requires_grad:
                grad_V = _grad(head.bias_V)
                grad_V.sub_((p_TV.T @ scaled_T1)[:, 0].to(grad_V.dtype))
                grad_V.index_add_(0, self.target_T, scaled_T1[:, 0].to(grad_V.dtype))
        return None


def add_logit_gradient(head: Head, rows_TD: Tensor, grad_TV: Tensor, out_TD: Tensor) -> None:
    """From the gradient to the logits before the cap to rows (in `out_TD`) and head (added to `.grad`)."""
    with torch.no_grad():
        if head.weight_VD is None:
            out_TD.copy_(grad_TV)
            return
        if head.scale != 1.0:
            grad_TV.mul_(head.scale)
        grad_TV = grad_TV.to(rows_TD.dtype)
        torch.mm(grad_TV, head.weight_VD.to(rows_TD.dtype), out=out_TD)
        if head.weight_VD.requires_grad:
            _add_product(_grad(head.weight_VD), grad_TV, rows_TD)
        if head.bias_V is not None and head.bias_V.requires_grad:
            _grad(head.bias_V).add_(grad_TV.sum(0))


def _grad(parameter: Tensor) -> Tensor:
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad


def _add_product(grad_VD: Tensor, a_TV: Tensor, b_TD: Tensor, alpha: float = 1.0) -> None:
    """grad += alpha * a.T @ b, in place where the types allow it."""
    if grad_VD.dtype == a_TV.dtype:
        grad_VD.addmm_(a_TV.T, b_TD, alpha=alpha)
    else:
        grad_VD.add_(a_TV.T @ b_TD, alpha=alpha)
