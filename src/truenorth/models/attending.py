"""Another attention function in an unmodified transformers model, for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def attending(module: torch.nn.Module, name: str, attend: Callable[..., Any]) -> Iterator[None]:
    """Within it, `module` attends through `attend`, without a mask; afterwards as before.

    Not for two threads at once on one module.

    Args:
        name: under which transformers' attention registry knows the function.
    """
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    AttentionInterface.register(name, attend)
    AttentionMaskInterface.register(name, _no_mask)
    configs: dict[int, Any] = {id(m.config): m.config for m in module.modules() if hasattr(m, "config")}
    before = {key: getattr(c, "_attn_implementation_internal", None) for key, c in configs.items()}
    try:
        for config in configs.values():
            config._attn_implementation_internal = name
        yield
    finally:
        for key, config in configs.items():
            config._attn_implementation_internal = before[key]


def _no_mask(*_: Any, **__: Any) -> None:
    return None
