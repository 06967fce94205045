"""Making the plan of a merge from configurations and headers, so that all that can be wrong is found first.

No weight is read or fetched here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from truenorth.base import UserError
from truenorth.edit.arrays import WIDTH
from truenorth.edit.config import Config
from truenorth.edit.method import method
from truenorth.edit.models import is_head
from truenorth.edit.opened import Opened
from truenorth.edit.plan import Plan, Shard, Step
from truenorth.edit.steps import length, sliced, whole

SIZES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def make_plan(config: Config, *, max_shard_size: int | str = "5GB") -> Plan:
    """Look at every model and plan the merge; reads no weights.

    Args:
        max_shard_size: bytes, or "5GB"; a larger tensor gets a file of its own.

    Raises:
        UserError: a model is missing or damaged, shapes or vocabularies differ, a tensor or setting is missing.
    """
    chosen = method(config.method, where=config.where("merge_method"))
    opened = Opened(config)
    steps = [*whole(config, chosen, opened)] if config.whole else [*sliced(config, chosen, opened)]
    donor = opened(config.base or config.slices[0].base or config.slices[0].inputs[0].model)
    layers = None if config.whole else sum(length(part) for part in config.slices)
    heads = [step.name for step in steps if is_head(step.name)]
    notes = [*config.notes, *opened.notes]
    untied = any(name not in donor.tensors for name in heads)
    if untied:
        notes.append(f"{heads[0]} differs from the embedding in a model, so the result does not share them")
    return Plan(
        config, chosen, opened.models, donor, _sharded(steps, size_of(max_shard_size)), layers, untied,
        tuple(dict.fromkeys(notes)), opened.vocabulary,
    )  # fmt: skip


def size_of(text: int | str, where: str = "--max-shard-size") -> int:
    """Bytes: 5GB, 500MB, 5B (five thousand million, as mergekit writes it) or a number.

    Raises:
        UserError: not a size, or none.
    """
    if isinstance(text, int):
        return text
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(B?)", text.strip().upper())
    if not match or not float(match[1]):
        raise UserError(f"not a size: {text!r}", where=where, expected="5GB, 500MB or bytes")
    factor = SIZES["G"] if match[3] and not match[2] else SIZES[match[2]]
    return max(1, int(float(match[1]) * factor))


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
