"""The plan of a merge: for each tensor of the result what is read, with which settings, and where it is written.

Made from configurations and headers alone, so all that can be wrong is found before a weight is read or fetched.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from truenorth.base import UserError
from truenorth.edit.arrays import FLOATS, WIDTH
from truenorth.edit.config import Config, Slice
from truenorth.edit.method import Method, method
from truenorth.edit.models import Model, Part, embedding_of, is_head, open_model
from truenorth.edit.settings import settled
from truenorth.edit.storage import Stored, header

BLOCK = 1 << 17  # elements of one tensor that a thread holds at a time; a multiple of noise.CELL
NUMBERED = re.compile(r"^(?P<stack>.*?\.)(?P<layer>\d+)(?P<rest>\..+)$")
INTERPRETER = 110_000_000  # bytes: Python, NumPy and this package
SIZES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True)
class Step:
    """One tensor of the result.

    Args:
        tensors, base: what is read, in the method's order.
        copied: taken as it is instead (integers, buffers).
        statistics: for each that the method names, one stored tensor a model, or None.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    tensors: tuple[Part, ...] = ()
    base: Part | None = None
    settings: Mapping[str, Any] | None = None
    copied: Part | None = None
    statistics: Mapping[str, tuple[Stored | None, ...]] | None = None

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def parts(self) -> tuple[Part, ...]:
        if self.copied:
            return (self.copied,)
        return (*self.tensors, *([self.base] if self.base else []))


class Shard(NamedTuple):
    """A file of the result."""

    file: str
    steps: tuple[Step, ...]

    @property
    def bytes(self) -> int:
        return sum(step.size * WIDTH[step.dtype] for step in self.steps)


@dataclass(frozen=True)
class Plan:
    """All of a merge.

    Args:
        donor: the model whose configuration and tokenizer the result gets (the base, else the first).
        layers: of the result where slices change their number, else None.
        untied: the result stores a head of its own although the donor shares it with the embedding.
        notes: what a person should know.
    """

    config: Config
    method: Method
    models: tuple[Model, ...]
    donor: Model
    shards: tuple[Shard, ...]
    layers: int | None
    untied: bool
    notes: tuple[str, ...]
    vocabulary: Any = None

    @property
    def steps(self) -> Iterator[Step]:
        return (step for shard in self.shards for step in shard.steps)

    @property
    def passes(self) -> int:
        return 2 if self.method.trait.survey else 1

    @property
    def bytes_read(self) -> int:
        """Over all passes; a survey reads a tensor once more (from memory where the machine keeps files there)."""
        once = sum(part.stored.bytes for step in self.steps for part in step.parts)
        return once * self.passes

    @property
    def bytes_written(self) -> int:
        return sum(shard.bytes for shard in self.shards)

    @property
    def download(self) -> int:
        """Bytes of weights that are still on the hub."""
        return sum(t.bytes for model in self.models if not model.weights for t in model.tensors.values())

    def peak_bytes(self, threads: int) -> int:
        """About the most memory at a time: blocks for each thread, or one tensor of every model."""
        most = 0
        for step in self.steps:
            held = len(step.parts) + 6
            scope = "elements" if step.copied else self.method.trait.scope
            if scope == "tensor":
                need = 4 * step.size * held
            else:
                block = max(BLOCK, step.shape[-1] if scope == "rows" and step.shape else 0)
                need = 4 * min(step.size, threads * block) * held
            most = max(most, need)
        return INTERPRETER + most


def threads_here() -> int:
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def make_plan(config: Config, *, max_shard_size: int | str = "5GB") -> Plan:
    """Look at every model and plan the merge; reads no weights.

    Args:
        max_shard_size: bytes, or "5GB"; a larger tensor gets a file of its own.

    Raises:
        UserError: a model is missing or damaged, shapes or vocabularies differ, a tensor or setting is missing.
    """
    chosen = method(config.method, where=config.where("merge_method"))
    opened = _Opened(config)
    steps = [*_whole(config, chosen, opened)] if config.whole else [*_sliced(config, chosen, opened)]
    donor = opened(config.base or config.slices[0].base or config.slices[0].inputs[0].model)
    layers = None if config.whole else sum(_length(part) for part in config.slices)
    heads = [step.name for step in steps if is_head(step.name)]
    notes = [*config.notes, *opened.notes]
    untied = any(name not in donor.tensors for name in heads)
    if untied:
        notes.append(f"{heads[0]} differs from the embedding in a model, so the result does not share them")
    return Plan(
        config, chosen, opened.models, donor, _sharded(steps, size_of(max_shard_size)), layers, untied,
        tuple(dict.fromkeys(notes)), opened.vocabulary,
    )  # fmt: skip


def size_of(text: int | str) -> int:
    """Bytes: 5GB, 500MB, 5B (five thousand million, as mergekit writes it) or a number.

    Raises:
        UserError: not a size.
    """
    if isinstance(text, int):
        return text
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(B?)", text.strip().upper())
    if not match:
        raise UserError(f"not a size: {text!r}", where="--max-shard-size", expected="5GB, 500MB or bytes")
    factor = SIZES["G"] if match[3] and not match[2] else SIZES[match[2]]
    return max(1, int(float(match[1]) * factor))


class _Opened:
    """Each model, opened once, and what came up while looking."""

    def __init__(self, config: Config):
        from truenorth.edit.vocabulary import alignment

        self._beside = Path(config.file).parent if config.file else None
        self._models: dict[str, Model] = {}
        self._config = config
        self.notes: list[str] = []
        for part in config.slices:
            for entry in part.inputs:
                self(entry.model)
        if config.base:
            self(config.base)
        self.vocabulary = alignment(config, self, self._beside)

    def __call__(self, reference: Any) -> Model:
        key = str(reference)
        if key not in self._models:
            self._models[key] = open_model(reference, beside=self._beside)
        return self._models[key]

    @property
    def models(self) -> tuple[Model, ...]:
        return tuple(self._models.values())

    def part(self, reference: Any, name: str) -> Part | None:
        """A tensor of a model, its rows in the result's vocabulary where that is another one."""
        found = self(reference).part(name)
        if found is None or self.vocabulary is None:
            return found
        return self.vocabulary.aligned(self(reference), name, found)

    def statistic(self, file: str, name: str) -> Stored | None:
        path = Path(file)
        if not path.exists() and self._beside:
            path = self._beside / file
        return _headers_of(path).get(name)


_HEADERS: dict[Path, dict[str, Stored]] = {}


def _headers_of(path: Path) -> dict[str, Stored]:
    if path not in _HEADERS:
        _HEADERS[path] = header(path)
    return _HEADERS[path]


def _length(part: Slice) -> int:
    first, end = part.inputs[0].layers or (0, 0)
    return end - first


def _with_base(
    part: Slice, config: Config, chosen: Method, opened: _Opened, path: str
) -> tuple[Slice, int | None]:
    """A slice whose inputs hold the base, and the base's place among them (None: the method has no base)."""
    from truenorth.edit.config import Input

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


def _whole(config: Config, chosen: Method, opened: _Opened) -> Iterator[Step]:
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


def _depths(names: Mapping[str, Any]) -> dict[str, float]:
    """How deep each layer's tensors are in their stack, from 0 to 1 (1 where there is one layer only)."""
    found = {name: match for name in names if (match := NUMBERED.match(name))}
    last: dict[str, int] = {}
    for match in found.values():
        last[match["stack"]] = max(last.get(match["stack"], 0), int(match["layer"]))
    return {
        name: int(m["layer"]) / last[m["stack"]] if last[m["stack"]] else 1.0 for name, m in found.items()
    }


def _sliced(config: Config, chosen: Method, opened: _Opened) -> Iterator[Step]:
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
        length = _length(part)
        for k in range(length):
            depth = k / (length - 1) if length > 1 else 1.0
            yield from _layer(stack, layer, k, part, base, depth, config, chosen, opened)
            layer += 1
    for name in outer:
        if name not in early:
            each = dict.fromkeys(range(len(parts[-1][0].inputs)), name)
            yield _step(name, each, *parts[-1], 0.0, config, chosen, opened)


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
    opened: _Opened,
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
    opened: _Opened,
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


def _statistic(key: str, entry: Any, name: str, config: Config, opened: _Opened) -> Stored | None:
    if key not in entry.statistics:
        fix = f"add `{key}: FILE.safetensors` beside `model:`"
        raise UserError(
            f"{config.method} needs {key} of {entry.model}", where=config.where("models"), fix=fix
        )
    found = opened.statistic(entry.statistics[key], name)
    part = opened(entry.model).part(name)
    shape = part.shape if part else ()
    columns = shape[-1] if shape else 1
    sides = () if key in ("fisher", "gram") else tuple((side,) for side in shape)
    if found and found.shape not in (shape, (columns, columns), *sides):
        what = f"{key} of {name} has shape {list(found.shape)}"
        raise UserError(what, where=entry.statistics[key], expected=f"{list(shape)} or its square")
    return found


def _same_shape(name: str, found: dict[int, Part], part: Slice, opened: _Opened) -> None:
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


def _sharded(steps: Sequence[Step], most: int) -> tuple[Shard, ...]:
    groups: list[list[Step]] = [[]]
    held = 0
    for step in steps:
        size = step.size * WIDTH[step.dtype]
        if groups[-1] and held + size > most:
            groups.append([])
            held = 0
        groups[-1].append(step)
        held += size
    if len(groups) == 1:
        return (Shard("model.safetensors", tuple(groups[0])),)
    count = len(groups)
    return tuple(
        Shard(f"model-{i:05d}-of-{count:05d}.safetensors", tuple(group))
        for i, group in enumerate(groups, start=1)
    )
