"""A weighted sum of objectives on the same pairs, in one pass: TRL's lists of `loss_type` and `loss_weights`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch

from truenorth.base import UserError
from truenorth.learn.coupling import load_objective, needs
from truenorth.learn.types import Losses, Pair

LOGIC = "it is a sum of others: ask for each of them"
MPO: Mapping[str, float] = MappingProxyType({"dpo": 0.8, "bco_pair": 0.2, "sft": 1.0})


def mixture(
    policy: Pair,
    reference: Pair,
    *,
    losses: Mapping[str, float] = MPO,
    settings: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Losses:
    """(B,) the sum over `losses` of weight * loss.

    Args:
        losses: weight of each objective by name. Those of single answers get the chosen one, and those
            averaged per token (`sft`) are divided by its length. By default MPO's (Wang et al. 2024).
        settings: keyword settings of each objective by name.

    Pitfall: weights do not make losses comparable: DPO starts at log 2, IPO and SPPO anywhere. TRL's `sft`
    is a mean over all the batch's chosen tokens, this one over each answer's.

    Raises:
        UserError: an objective that couples more than a pair, or needs columns.

    Source: TRL 1.16, `loss_weights`; Wang et al. 2024 (arXiv:2411.10442), eq. 2, for the default.

    >>> from truenorth.learn.worked import pair
    >>> p = pair([-1.0, -2.0], -3.0)
    >>> mixture(p, p)  # 0.8 log 2 + 0.2 * 2 log 2 + 1.5 nats a token
    tensor([2.3318])
    """
    return torch.stack(
        [weight * _one(name, policy, reference, settings.get(name, {})) for name, weight in losses.items()]
    ).sum(0)


def _one(name: str, policy: Pair, reference: Pair, settings: Mapping[str, Any]) -> torch.Tensor:
    objective = load_objective(name, where="mixture")
    need = needs(objective, where="mixture")
    if need.coupling not in ("answer", "pair") or set(need.columns) - set(need.optional) or need.kl:
        raise UserError(
            f"{name} cannot be part of a mixture",
            where="mixture",
            expected="objectives of pairs or answers that need no columns",
            fix="give it a task of its own beside this one",
        )
    if need.coupling == "pair":
        return objective(policy, *[reference] * need.reference, **settings)
    loss = objective(policy.chosen, *[reference.chosen] * need.reference, **settings)
    return loss / policy.chosen.length if need.average == "per_token" else loss
