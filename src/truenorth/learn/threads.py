"""How many threads a fit computes with."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")
SMALL = 10_000_000  # weights


def few_threads(fit: Callable[P, R]) -> Callable[P, R]:
    """A function of a policy, with one thread on a CPU where the policy is small.

    The matrix products of 2M weights are too small to share: two threads take 1.5 times the CPU time of one and
    are 1.2 times as fast. The other core is better used by something else.
    """

    @wraps(fit)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        policy: Any = args[0] if args else kwargs["policy"]
        module, threads = policy.module, torch.get_num_threads()
        small = module.device.type == "cpu" and sum(p.numel() for p in module.parameters()) < SMALL
        try:
            torch.set_num_threads(1 if small else threads)
            return fit(*args, **kwargs)
        finally:
            torch.set_num_threads(threads)

    return run
