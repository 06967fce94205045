"""One method on whole arrays in memory: for experiments, and the plain side of the stream's tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from truenorth.edit.arrays import Array
from truenorth.edit.method import Block, Each, call, method
from truenorth.edit.noise import noise_of


class Whole:
    """One parameter as a single block."""

    def __init__(self, block: Block):
        self._block = block
        self.size = int(block.tensors[0].reshape(-1).shape[0])
        self.count = len(block.tensors)

    def map(self, function: Callable[[Block], Any]) -> list[Any]:
        return [function(self._block)]

    def sample(self) -> list[Block]:
        return [self._block]


def apply(
    name: str | Callable[..., Array],
    tensors: Sequence[Array],
    base: Array | None = None,
    *,
    seed: int = 0,
    parameter: str = "",
    **settings: Any,
) -> Array:
    """The merge of one parameter: same shape as each of `tensors`, which are not changed.

    Args:
        name: a method ("ties"), or a function that is one.
        tensors: one array a model, float32 or float64, NumPy or torch.
        base: the base model's, for methods that name one.
        seed: of what random methods draw; `parameter` is the tensor's name, which their draws depend on.
        settings: the method's own, with one number for all models or one a model; and the statistics it
            names (`fisher=[...]`).

    Example:
        >>> import numpy as np
        >>> apply("linear", [np.zeros(2, np.float32), np.ones(2, np.float32)], weight=[1, 3])
        array([0.75, 0.75], dtype=float32)

    Source: as the method's.
    """
    chosen = method(name)
    shape, trait = tensors[0].shape, chosen.trait
    chosen.counted(len(tensors))
    statistics = {key: settings.pop(key) for key in chosen.statistics}
    settings = settings_of(chosen.settings, chosen.each, settings, len(tensors))
    if trait.scope == "elements":
        shaped: tuple[int, ...] = (-1,)
    elif trait.scope == "rows":
        shaped = (-1, shape[-1]) if len(shape) > 1 else (1, -1)
    else:
        shaped = tuple(shape)
    flat = [tensor.reshape(shaped) for tensor in tensors]
    statistics = {
        key: [one if one is None or one.shape != shape else one.reshape(shaped) for one in values]
        for key, values in statistics.items()
    }
    size = int(flat[0].reshape(-1).shape[0])
    noise = (
        [
            noise_of(seed, parameter, i, 0, size, like=tensor).reshape(tensor.shape)
            for i, tensor in enumerate(flat)
        ]
        if chosen.noise
        else None
    )
    block = Block(flat, None if base is None else base.reshape(shaped), 0, noise)
    surveyed = trait.survey(Whole(block), **chosen.survey_settings(settings)) if trait.survey else None
    return call(chosen, block, settings, surveyed, **statistics).reshape(shape)


def settings_of(
    known: dict[str, Any], each: frozenset[str], given: dict[str, Any], count: int
) -> dict[str, Any]:
    """A method's settings: what was given, else its defaults; one value a tensor where it wants that."""
    made = {}
    for key, default in known.items():
        value = given.get(key, default)
        if value is Each or (key not in given and getattr(default, "__name__", "") == "_empty"):
            raise TypeError(f"setting {key!r} is missing")
        if key in each:
            value = list(value) if isinstance(value, Sequence) else [value] * count
        made[key] = value
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise TypeError(f"unknown settings {unknown}; expected {sorted(known)}")
    return made
