"""Norms and rotations of transformers models with fewer passes over memory, put in where they are right.

Between the matrix products of a training step a model's own norms and rotations take an eighth of the time. Here each
is one autograd function that keeps less for its backward pass and writes over what it has made itself. They stand in
for the modules' `forward` during one pass, where a try on a small input gave the module's own result and gradients:
`open_fused` finds them, and what it does not know or what differs stays as it is. Float32 on a CPU only.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import FunctionType, MethodType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

CLOSE = 1e-4  # of the largest value, between a module and what stands in for it (float32: 1e-6 is usual)
ROTATE = "apply_rotary_pos_emb"  # what transformers' attention calls, by this name
Forward = Callable[..., Any]


class Fused(NamedTuple):
    """A module, and what stands in for its `forward`."""

    module: nn.Module
    forward: Forward


class _RmsNorm(torch.autograd.Function):
    """x / sqrt(mean(x^2) + eps) * (weight + offset), over the last axis."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float, offset: float) -> Tensor:
        x, size = x.contiguous(), x.shape[-1]
        rate = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(size).add_(eps).rsqrt_()
        scale = weight + offset if offset else weight
        ctx.save_for_backward(x, rate, scale)
        return (x * rate).mul_(scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, rate, scale = ctx.saved_tensors
        size = x.shape[-1]
        made = grad.contiguous() * x  # norms of heads get theirs in another order of axes
        rows_ND = made.view(-1, size)
        grad_weight = rows_ND.T @ rate.view(-1) if ctx.needs_input_grad[1] else None
        if not ctx.needs_input_grad[0]:
            return None, grad_weight, None, None
        along = (rows_ND @ scale).view(rate.shape).mul_(rate).mul_(rate).mul_(rate).div_(size)
        torch.mul(grad, scale, out=made).mul_(rate)
        return made.addcmul_(x, along, value=-1), grad_weight, None, None


class _Rotate(torch.autograd.Function):
    """x * cos + rotate_half(x) * sin; backwards the rotation the other way round."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        half = x.shape[-1] // 2
        made = x * cos
        made[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-1)
        made[..., half:].addcmul_(x[..., :half], sin[..., half:])
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        half = grad.shape[-1] // 2
        made = grad * cos
        made[..., :half].addcmul_(grad[..., half:], sin[..., half:])
        made[..., half:].addcmul_(grad[..., :half], sin[..., :half], value=-1)
        return made, None, None


def rotate(
    q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, unsqueeze_dim: int = 1, *, plain: Forward
) -> tuple[Tensor, Tensor]:
    """Query and key rotated by position as most of transformers does it; `plain` where less than all is rotated."""
    if cos.shape[-1] != q.shape[-1] or q.dtype != torch.float32:
        return plain(q, k, cos, sin, unsqueeze_dim=unsqueeze_dim)
    cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
    return _Rotate.apply(q, cos, sin), _Rotate.apply(k, cos, sin)


def _norm(self: Any, x: Tensor, *, offset: float) -> Tensor:
    eps = self.variance_epsilon if hasattr(self, "variance_epsilon") else self.eps
    return _RmsNorm.apply(x, self.weight, eps, offset)


def open_fused(module: nn.Module) -> tuple[Fused, ...]:
    """What can stand in for parts of `module`; each kind of part is tried once."""
    known: dict[Any, Forward | None] = {}
    found = []
    for part in module.modules():
        if type(part) not in known:
            known[type(part)] = _stand_in(part)
        forward = known[type(part)]
        if forward is not None and "forward" not in vars(part):  # else somebody else has replaced it
            found.append(Fused(part, MethodType(forward, part)))
    return tuple(found)


@contextmanager
def fused(parts: Sequence[Fused]) -> Iterator[None]:
    """Within it, these parts compute by what stands in for them. Not for two threads at once on one module."""
    try:
        for part, forward in parts:
            vars(part)["forward"] = forward
        yield
    finally:
        for part, _ in parts:
            vars(part).pop("forward", None)


def _stand_in(part: Any) -> Forward | None:
    """What gives the results and gradients of this kind of part, if anything does."""
    weight, own = getattr(part, "weight", None), type(part).forward
    draw = torch.Generator().manual_seed(0)
    learnt = [p for p in part.parameters() if p.requires_grad]
    if type(part).__name__.endswith("RMSNorm") and isinstance(weight, Tensor):
        x = 0.01 * torch.randn(2, 3, len(weight), generator=draw)  # small, so that eps counts
        tried = [partial(_norm, offset=offset) for offset in (0.0, 1.0)]
        return next((f for f in tried if _agrees(part.forward, MethodType(f, part), [x], learnt)), None)
    if inspect.isfunction(own) and ROTATE in own.__code__.co_names and own.__closure__ is None:
        plain = own.__globals__[ROTATE]
        ours = partial(rotate, plain=plain)
        q, k = torch.randn(1, 2, 3, 8, generator=draw), torch.randn(1, 1, 3, 8, generator=draw)
        cos, sin = torch.randn(2, 1, 3, 8, generator=draw)
        if _agrees(lambda q, k: plain(q, k, cos, sin), lambda q, k: ours(q, k, cos, sin), [q, k], []):
            made = FunctionType(own.__code__, {**own.__globals__, ROTATE: ours}, ROTATE, own.__defaults__)
            made.__kwdefaults__ = own.__kwdefaults__
            return made
    return None


def _agrees(plain: Forward, ours: Forward, inputs: Sequence[Tensor], learnt: Sequence[Tensor]) -> bool:
    """Do both give the same numbers and the same gradients to the inputs and to what is learnt?"""
    told: list[list[Tensor]] = []
    try:
        with torch.enable_grad():
            for run in (plain, ours):
                given = [x.clone().requires_grad_() for x in inputs]
                made = run(*given)
                outs = list(made) if isinstance(made, tuple) else [made]
                loss = sum((out * torch.arange(out.numel()).view(out.shape).sin()).sum() for out in outs)
                told.append([*outs, *torch.autograd.grad(loss, [*given, *learnt])])
    except (TypeError, AttributeError, NotImplementedError, ValueError, RuntimeError, KeyError):
        return False
    return all(bool((a - b).abs().max() <= CLOSE * (1 + a.abs().max())) for a, b in zip(*told, strict=True))
