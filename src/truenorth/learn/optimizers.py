"""What turns gradients into steps: AdamW, and Muon for small models that are trained from nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def adamw(
    parameters: Mapping[str, Tensor], lr: float, *, betas: tuple[float, float], weight_decay: float
) -> torch.optim.Optimizer:
    """AdamW; only matrices decay."""
    groups = [
        {"params": [p for p in parameters.values() if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters.values() if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=lr, betas=betas, fused=True)


def orthogonalised(matrix_MN: Tensor) -> Tensor:
    """(M, N) the nearest matrix with singular values near 1, by five Newton-Schulz steps of degree 5.

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks".
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrix_MN.shape[0] > matrix_MN.shape[1]
    x = matrix_MN.T if tall else matrix_MN
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum for hidden matrices, AdamW for everything else.

    Meant for pretraining, where it is said to learn rare associations in fewer tokens than AdamW (Wang et al. 2025,
    "Muon outperforms Adam in tail-end associative memory learning"); not compared alone here.

    Args:
        lr: of the matrices; about 0.02. `adamw_lr` is that of embeddings, norms and biases.
        nesterov momentum 0.95; weight decay is decoupled and scaled by the rate.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        lr: float = 0.02,
        *,
        adamw_lr: float = 3e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.02,
    ):
        hidden = [p for name, p in parameters.items() if p.ndim == 2 and not _is_table(name)]
        chosen = {id(p) for p in hidden}
        rest = {name: p for name, p in parameters.items() if id(p) not in chosen}
        super().__init__([{"params": hidden}], {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.ratio = adamw_lr / lr
        self.inner = adamw(rest, adamw_lr, betas=(0.9, 0.95), weight_decay=0.0)

    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none)
        self.inner.zero_grad(set_to_none)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step; AdamW's rate follows this one's schedule."""
        for group in self.param_groups:
            for inner in self.inner.param_groups:
                inner["lr"] = group["lr"] * self.ratio
            for p in group["params"]:
                if p.grad is None:
                    continue
                velocity = self.state[p].setdefault("momentum", torch.zeros_like(p))
                velocity.mul_(group["momentum"]).add_(p.grad)
                update = orthogonalised(p.grad + group["momentum"] * velocity)
                scale = max(1.0, p.shape[0] / p.shape[1]) ** 0.5
                p.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"] * scale)
        self.inner.step()

    def state_dict(self) -> dict[str, Any]:
        return {"muon": super().state_dict(), "adamw": self.inner.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict["muon"])
        self.inner.load_state_dict(state_dict["adamw"])


def muon(parameters: Mapping[str, Tensor], lr: float, **settings: Any) -> torch.optim.Optimizer:
    """Muon with its own betas and decay: the loop's do not concern it."""
    return Muon(parameters, lr)


def _is_table(name: str) -> bool:
    """Embeddings and heads are tables of vectors, not maps between spaces."""
    return "embed" in name or "lm_head" in name or "wte" in name or "wpe" in name


OPTIMIZERS = {"adamw": adamw, "muon": muon}
