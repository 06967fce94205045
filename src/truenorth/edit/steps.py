"""The steps of a merge: each tensor of the result, by name over whole models or layer by layer over slices."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from truenorth.base import UserError
from truenorth.edit.arrays import FLOATS
from truenorth.edit.config import Config, Input, Slice
from truenorth.edit.method import Method
from truenorth.edit.models import Model, Part, embedding_of, is_head
from truenorth.edit.opened import Opened
from truenorth.edit.plan import Step
from truenorth.edit.settings import settled
from truenorth.edit.storage import Stored

NUMBERED = re.compile(r"^(?P<stack>.*?\.)(?P<layer>\d+)(?P<rest>\..+)$")


def whole(config: Config, chosen: Method, opened: Opened) -> Iterator[Step]:
    """Every tensor of the base (or the first model), as it is called in all of them."""
    part, base = _with_base(config.slices[0], config, chosen, opened, "models")
    _counted(chosen, part, base, config.where("models"))
    donor = opened(part.inputs[base if base is not None else 0].model)
    names = dict.fromkeys(donor.tensors)
    for entry in part.inputs:
        own = opened(entry.model)
        extra = [name for name in own.tensors if name not in names]
        heads = [
            name for name in extra if is_head(name) and own.config.get("tie_word_embeddings") is not True
        ]
        names |= dict.fromkeys(heads)
        others = [name for name in extra if name not in heads and not is_head(name)]
        if others:
            opened.notes.append(f"{len(others)} tensors only in {entry.model} ({others[0]}) are left out")
    depth = _depths(donor.tensors)
    for name in names:
        each = dict.fromkeys(range(len(part.inputs)), name)
        yield _step(name, each, part, base, depth.get(name, 0.0), config, chosen, opened)


def sliced(config: Config, chosen: Method, opened: Opened) -> Iterator[Step]:
    """Layers of the result from the slices, one after another; the rest from the first and the last slice."""
    parts = []
    for i, part in enumerate(config.slices):
        made, base = _with_base(part, config, chosen, opened, f"slices[{i}]")
        _counted(chosen, made, base, config.where(f"slices[{i}].sources"))
        parts.append((made, base))
    first = opened(parts[0][0].inputs[0].model)
    stack = _stack(first)
    outer = [name for name in first.tensors if not name.startswith(stack)]
    early = [name for name in outer if _early(name)]
    for name in early:
        yield _step(
            name, dict.fromkeys(range(len(parts[0][0].inputs)), name), *parts[0], 0.0, config, chosen, opened
        )
    layer = 0
    for part, base in parts:
        count = length(part)
        for k in range(count):
            depth = k / (count - 1) if count > 1 else 1.0
            yield from _layer(stack, layer, k, part, base, depth, config, chosen, opened)
            layer += 1
    for name in outer:
        if name not in early:
            each = dict.fromkeys(range(len(parts[-1][0].inputs)), name)
            yield _step(name, each, *parts[-1], 0.0, config, chosen, opened)


def length(part: Slice) -> int:
    """How many layers a slice gives the result."""
    first, end = part.inputs[0].layers or (0, 0)
    return end - first


def _with_base(
    part: Slice, config: Config, chosen: Method, opened: Opened, path: str
) -> tuple[Slice, int | None]:
    """A slice whose inputs hold the base, and the base's place among them (None: the method has no base)."""
    base = part.base or config.base
    if base is None:
        return part, None
    place = next((i for i, entry in enumerate(part.inputs) if entry.model == base), None)
    if place is None and config.whole:
        part = Slice((*part.inputs, Input(base)), part.base, part.parameters)
        place = len(part.inputs) - 1
    if chosen.base == "none":
        return part, None
    if place is None:
        where = config.where(path)
        raise UserError(
            f"the base {base} is not among the sources", where=where, fix="add it with its layer_range"
        )
    return part, place


def _depths(names: Mapping[str, Any]) -> dict[str, float]:
    """How deep each layer's tensors are in their stack, from 0 to 1 (1 where there is one layer only)."""
    found = {name: match for name in names if (match := NUMBERED.match(name))}
    last: dict[str, int] = {}
    for match in found.values():
        last[match["stack"]] = max(last.get(match["stack"], 0), int(match["layer"]))
    return {
        name: int(m["layer"]) / last[m["stack"]] if last[m["stack"]] else 1.0 for name, m in found.items()
    }


def _early(name: str) -> bool:
    """Does a tensor outside the layers stand before them? (The head and the last norm stand after.)"""
    return not is_head(name) and (
        "embed" in name or ".wte." in name or ".wpe." in name or name.startswith(("wte", "wpe"))
    )


def _stack(model: Model) -> str:
    """What the names of a model's layers begin with: "model.layers."."""
    stacks = dict.fromkeys(match["stack"] for name in model.tensors if (match := NUMBERED.match(name)))
    if len(stacks) != 1:
        found = ", ".join(stacks) or "none"
        raise UserError(
            f"slices need one stack of layers, found {found}", where=model.name, fix="use `models`"
        )
    return next(iter(stacks))


def _layer(
    stack: str, layer: int, k: int, part: Slice, base: int | None, depth: float, config: Config, chosen: Method,
    opened: Opened,
) -> Iterator[Step]:  # fmt: skip
    own = [(entry.layers or (0, 0))[0] + k for entry in part.inputs]
    lead = part.inputs[base if base is not None else 0]
    here = f"{stack}{own[base if base is not None else 0]}."
    rests = [name[len(here) :] for name in opened(lead.model).tensors if name.startswith(here)]
    if not rests:
        what = f"{lead.model} has no layer {here.rstrip('.')}"
        raise UserError(what, where=config.where("slices"), fix="end layer_range at its number of layers")
    for rest in rests:
        names = {i: f"{stack}{number}.{rest}" for i, number in enumerate(own)}
        yield _step(f"{stack}{layer}.{rest}", names, part, base, depth, config, chosen, opened)


def _counted(chosen: Method, part: Slice, base: int | None, where: str) -> None:
    chosen.counted(len(part.inputs) - (base is not None), where=where)


def _step(
    name: str, names: dict[int, str], part: Slice, base: int | None, depth: float, config: Config, chosen: Method,
    opened: Opened,
) -> Step:  # fmt: skip
    """One tensor of the result, its shapes and settings checked."""
    found: dict[int, Part] = {}
    for i, entry in enumerate(part.inputs):
        own = opened.part(entry.model, names[i])
        if own is None:
            place = config.where("models" if config.whole else "slices")
            raise UserError(f"{entry.model} has no tensor {names[i]}", where=place,
                            expected="models of one architecture")  # fmt: skip
        found[i] = own
    lead = found[base if base is not None else 0]
    _same_shape(name, found, part, opened)
    if any(own.stored.dtype not in FLOATS for own in found.values()):
        odd = next(own.stored.dtype for own in found.values() if own.stored.dtype not in FLOATS)
        if odd.startswith("F8"):
            raise UserError(f"{name} is of type {odd}", expected="float16, bfloat16, float32 or float64",
                            fix="save the model in one of them first")  # fmt: skip
        return Step(name, lead.stored.dtype, lead.shape, copied=lead)
    order = [i for i in range(len(part.inputs)) if i != base]
    dtype = config.out_dtype or config.dtype or _promoted([own.stored.dtype for own in found.values()])
    settings = settled(chosen, config, part, order, tensor=name, names=names, depth=depth)
    statistics = {
        key: tuple(_statistic(key, part.inputs[i], names[i], config, opened) for i in order)
        for key in chosen.statistics
    }
    tensors = tuple(found[i] for i in order)
    return Step(
        name, dtype, lead.shape, tensors, None if base is None else found[base], settings, None, statistics
    )


def _statistic(key: str, entry: Any, name: str, config: Config, opened: Opened) -> Stored | None:
    if key not in entry.statistics:
        fix = f"add `{key}: FILE.safetensors` beside `model:`"
        raise UserError(
            f"{config.method} needs {key} of {entry.model}", where=config.where("models"), fix=fix
        )
    found = opened.statistic(entry.statistics[key], name)
    part = opened(entry.model).part(name)
    shape = part.shape if part else ()
    squares = tuple((side, side) for side in shape)
    sides = () if key in ("fisher", "gram") else tuple((side,) for side in shape)
    if found and found.shape not in (shape, *squares, *sides):
        what = f"{key} of {name} has shape {list(found.shape)}"
        raise UserError(what, where=entry.statistics[key], expected=f"{list(shape)} or its square")
    return found


def _same_shape(name: str, found: dict[int, Part], part: Slice, opened: Opened) -> None:
    shapes = {own.shape for own in found.values()}
    if len(shapes) == 1:
        return
    told = "; ".join(f"{part.inputs[i].model}: {list(own.shape)}" for i, own in found.items())
    vocabulary = is_head(name) or name == embedding_of([name])
    same = len({shape[1:] for shape in shapes}) == 1
    fix = "their vocabularies differ: add `tokenizer_source: base` (or union)" if vocabulary and same else ""
    raise UserError(f"{name} has several shapes ({told})", expected="one shape in all models", fix=fix)


def _promoted(dtypes: Sequence[str]) -> str:
    """The type that holds all: float16 with bfloat16 gives float32."""
    kinds = set(dtypes)
    if len(kinds) == 1:
        return next(iter(kinds))
    return "F64" if "F64" in kinds else "F32"
