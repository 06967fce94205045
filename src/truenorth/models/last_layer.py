"""The last layer of a transformers model, computed only at the tokens whose states are read afterwards.

Where one token of hundreds is read, as in verdicts and rewards, or the answers alone, as in training, the last layer's
queries, outputs and MLP at all the others are for nothing: only their keys and values are needed. Hooks hand the
modules that work token by token those rows alone and put what comes back in its place; everything else is the model's
own code. Whether that is right for a model is tried before it is used (`prefixes.trims`). Left out: layers that name
these modules otherwise, and MLPs that return more than a tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

MLP = "mlp"
BY_TOKEN = (MLP, "self_attn.q_proj", "self_attn.o_proj")  # of Llama and all that are named like it


def last_layer(body: nn.Module) -> nn.Module | None:
    """The last of a model's layers, or None where they, or its MLP, cannot be told."""
    layers = getattr(body, "layers", None)
    if not isinstance(layers, nn.ModuleList) or len(layers) < 2:
        return None
    return layers[-1] if _part(layers[-1], MLP) is not None else None


@contextmanager
def only_at(layer: nn.Module, rows_U: Tensor) -> Iterator[None]:
    """Within it, what this layer computes token by token is right at these rows of (1, N, ...), and zero elsewhere.

    For gradients, each row once: what is put in one place twice would be counted twice.
    """
    width = 0

    def narrow(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        nonlocal width
        width = args[0].shape[1]
        return (args[0].index_select(1, rows_U), *args[1:])

    def widen(_: nn.Module, args: Any, out_1UD: Tensor) -> Tensor:
        whole_1ND = out_1UD.new_zeros(1, width, *out_1UD.shape[2:])
        return whole_1ND.index_copy_(1, rows_U, out_1UD)

    with ExitStack() as hooks:
        for part in filter(None, (_part(layer, name) for name in BY_TOKEN)):
            hooks.callback(part.register_forward_pre_hook(narrow).remove)
            hooks.callback(part.register_forward_hook(widen).remove)
        yield


def _part(layer: nn.Module, name: str) -> nn.Module | None:
    found: Any = layer
    for step in name.split("."):
        found = getattr(found, step, None)
    return found if isinstance(found, nn.Module) else None


def is_last(attention: Any) -> bool:
    """Whether an attention module says that it is in the last of its model's layers."""
    config = getattr(attention, "config", None)
    return getattr(attention, "layer_idx", None) == getattr(config, "num_hidden_layers", 0) - 1
