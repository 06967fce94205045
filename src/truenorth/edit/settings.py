"""A method's settings for one tensor: what the nearest level says, by filters on names and gradients over layers."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import Parameter
from typing import Any

from truenorth.base import UserError
from truenorth.edit.config import Config, Settings, Slice
from truenorth.edit.method import Method


def settled(
    chosen: Method,
    config: Config,
    part: Slice,
    inputs: Iterable[int],
    *,
    tensor: str,
    names: dict[int, str],
    depth: float,
) -> dict[str, Any]:
    """Every setting of a method for one tensor of the result.

    Args:
        inputs: which of the slice's models are its `tensors`, in order.
        tensor: the name of the result's tensor; names: what it is called in each model (another layer).
        depth: how deep in its slice the layer is, from 0 to 1; 0 for what is in no layer, as in mergekit.

    Raises:
        UserError: a setting without a default is missing, or is not of its kind.
    """
    made = {}
    outer = (part.parameters, config.parameters)
    for name, default in chosen.settings.items():
        if name in chosen.each:
            made[name] = [
                _one(
                    name,
                    default,
                    (part.inputs[i].parameters, *outer),
                    config,
                    names[i],
                    depth,
                    part.inputs[i].model,
                )
                for i in inputs
            ]
        else:
            made[name] = _one(name, default, outer, config, tensor, depth, None)
    return made


def _one(
    name: str, default: Any, levels: Iterable[Settings], config: Config, tensor: str, depth: float, model: Any
) -> Any:
    for level in levels:
        if name in level:
            value = value_at(level[name], tensor, depth)
            if value is not None:
                return _checked(name, value, default, config, tensor)
    if default is Parameter.empty:
        whose = f" for {model}" if model else ""
        what = f"no {name.rstrip('_')}{whose} at {tensor}"
        raise UserError(
            what, where=config.where("parameters"), fix=f"add {name.rstrip('_')} to its parameters"
        )
    return default


def _checked(name: str, value: Any, default: Any, config: Config, tensor: str) -> Any:
    """Numbers as numbers: YAML reads 1e-5 as a word."""
    shown = name.rstrip("_")
    where = config.where("parameters")
    if isinstance(default, bool) and not isinstance(value, str):
        return bool(value)
    if isinstance(default, bool | str):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise UserError(f"{shown} is {value!r} at {tensor}", where=where, expected="a number") from error
    if number != number:
        raise UserError(f"{shown} is not a number at {tensor}", where=where)
    return int(number) if isinstance(default, int) and number == int(number) else number


def value_at(value: Any, tensor: str, depth: float) -> Any:
    """A configuration's value for a tensor: itself, the first filter that is in the name, a point of a gradient.

    >>> value_at([0.0, 1.0], "x", 0.25)
    0.25
    >>> value_at([{"filter": "mlp", "value": 1}, {"value": 0.5}], "layers.0.mlp.up", 0)
    1
    """
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        return value
    if isinstance(value[0], dict):
        for condition in value:
            wanted = condition.get("filter")
            if wanted is None or wanted == "*" or wanted in tensor:
                return value_at(condition["value"], tensor, depth)
        return None
    return _gradient(value, depth)


def _gradient(points: list[Any], depth: float) -> Any:
    """Along a list: numbers in between, words and truth values stepwise."""
    place = depth * (len(points) - 1)
    low = int(place)
    try:
        if any(isinstance(point, bool) for point in points):
            return points[low]
        numbers = [float(point) for point in points]
    except ValueError:
        return points[low]
    high, share = min(len(points) - 1, low + 1), place - low
    return (1 - share) * numbers[low] + share * numbers[high]
