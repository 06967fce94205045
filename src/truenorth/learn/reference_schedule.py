"""Training in which the reference changes: stage by stage (sDPO), or following the policy (TR-DPO)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from truenorth.base import UserError
from truenorth.learn.fit import FitResult, fit
from truenorth.learn.following import Follow
from truenorth.learn.scoring import token_logps
from truenorth.learn.types import Example, Objective, Task


def sdpo(
    policy: Any,
    stages: Sequence[Sequence[Example]],
    objective: str | Objective = "dpo",
    *,
    steps: int,
    lr: float,
    batch: int = 16,
    **settings: Any,
) -> list[FitResult]:
    """Fit stage after stage, each with the model as the stage before left it as reference.

    Args:
        stages: the examples of each, easy ones first (see `easy_first`).
        steps: of each stage.
        settings: further ones of `fit`; a `checkpoint` gets a folder for each stage in it.

    Source: Kim et al. 2024, "sDPO: don't use your data all at once" (arXiv:2403.19270), section 3; that each
    stage starts from the model before it was read in a summary.
    """
    folder = settings.pop("checkpoint", None)
    results = []
    for i, examples in enumerate(stages):
        where: dict[str, Any] = {} if folder is None else {"checkpoint": f"{folder}/stage-{i + 1}"}
        task = Task(f"stage {i + 1}", examples, objective, batch=batch)
        results.append(fit(policy, [task], steps=steps, lr=lr, **settings, **where))
    return results


def tr_dpo(
    policy: Any,
    examples: Sequence[Example],
    objective: str | Objective = "dpo",
    *,
    steps: int,
    lr: float,
    every: int = 512,
    mix: float = 0.6,
    batch: int = 16,
    **settings: Any,
) -> FitResult:
    """Fit with a reference that moves towards the policy every so many steps (see `Follow`).

    Source: Gorbatovski et al. 2024 (arXiv:2404.09656), eq. 5; TRL's `sync_ref_model`.
    """
    task = Task("tr_dpo", examples, objective, batch=batch)
    return fit(policy, [task], steps=steps, lr=lr, follow=Follow(every, mix), **settings)


def easy_first(model: Any, pairs: Sequence[Example], *, stages: int = 2) -> list[list[Example]]:
    """The pairs in stages of equal size, from those the model orders rightly by the widest margin to the worst.

    The margin is that of the answers' log-probabilities per token, so that length does not decide.

    Raises:
        UserError: fewer pairs than stages.
    """
    if not 1 <= stages <= len(pairs):
        raise UserError(f"{len(pairs)} pairs cannot make {stages} stages")
    margins = [chosen.mean() - rejected.mean() for chosen, rejected in token_logps(model, pairs)]
    order = np.argsort(-np.array(margins), kind="stable")
    return [[pairs[i] for i in part] for part in np.array_split(order, stages)]
