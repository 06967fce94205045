"""What people said of texts, whichever task they said it in: one value a person, and one for all of them.

Equal texts under one prompt are one item. A mended answer counts as a ranking: what was written, above what stood
there. Approvals become Dawid and Skene's (1979) chance that the text is good, in which tasks with known answers tell
how far each person is to be trusted; of ratings and rankings the mean is taken.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from truenorth.records.label_consensus import Vote, chances
from truenorth.records.label_rows import standing
from truenorth.records.labels import SCALE, Annotations, Gold, Kind, Label
from truenorth.records.types import Prompt

Item = tuple[str, str]  # a prompt, as a string, and a text


class Said(NamedTuple):
    """Of one text, by one kind of label: its value in [0, 1], and each person's."""

    score: float
    by: dict[str, float]
    how: str  # "dawid-skene", "mean"


class Heard(NamedTuple):
    """Everything that was said of one text. `kinds`: approve, rate, rank. `skipped`: who skipped it."""

    kinds: dict[Kind, Said]
    skipped: frozenset[str]
    flags: tuple[str, ...]


def item_of(prompt: Prompt, text: str) -> Item:
    """Equal for equal prompts and texts, whatever sequence type holds the messages."""
    told = prompt if isinstance(prompt, str) else json.dumps([[m["role"], m["content"]] for m in prompt])
    return told, text


def heard(
    found: Annotations, *, principle: str = "", trials: Sequence[Label] = (), gold: Sequence[Gold] = ()
) -> dict[Item, Heard]:
    """Text -> what people said of it, judging by this principle (or by none).

    Args:
        trials: labels of tasks whose answer is known. gold: what is known of them.
    """
    values: dict[Kind, dict[Item, dict[str, list[float]]]] = {
        kind: {} for kind in ("approve", "rate", "rank")
    }
    skipped, flags = defaultdict[Item, set[str]](set), defaultdict[Item, list[str]](list)
    for label in found.labels:
        if label.principle != principle:
            continue
        for kind, item, value in _values(found, label):
            values[kind].setdefault(item, {}).setdefault(label.annotator, []).append(value)
        if label.kind == "skip":
            for answer in found.tasks[label.task].answers:
                skipped[_item(found, label, answer)].add(label.annotator)
        elif label.kind == "flag":
            flags[_item(found, label, label.answer)].append(label.value)
    approved = [
        Vote(item, who, said > 0.5)
        for item, by in values["approve"].items()
        for who, all_said in by.items()
        for said in all_said
    ]
    truth = chances(approved, trials, gold)
    items = dict.fromkeys([item for of in values.values() for item in of] + [*skipped, *flags])
    return {
        item: Heard(
            {
                kind: _said(of[item], truth.get(item) if kind == "approve" else None)
                for kind, of in values.items()
                if item in of
            },
            frozenset(skipped.get(item, ())),
            tuple(flags.get(item, ())),
        )
        for item in items
    }


def _values(found: Annotations, label: Label) -> list[tuple[Kind, Item, float]]:
    """What one label says of each text that it is about."""
    if label.kind == "approve":
        return [("approve", _item(found, label, label.answer), float(label.value))]
    if label.kind == "rate":
        return [("rate", _item(found, label, label.answer), (label.value - 1) / (SCALE - 1))]
    if label.kind == "rank":
        return [("rank", _item(found, label, a), share) for a, share in standing(label).items()]
    if label.kind == "edit":
        was = _item(found, label, label.answer)
        return [("rank", was, 0.0), ("rank", (was[0], label.value), 1.0)] if label.value != was[1] else []
    return []


def _item(found: Annotations, label: Label, answer: str) -> Item:
    return item_of(found.tasks[label.task].prompt, found.answers[answer].data["completion"])


def _said(by: Mapping[str, Sequence[float]], chance: float | None) -> Said:
    means = {who: sum(values) / len(values) for who, values in by.items()}
    if chance is not None:
        return Said(chance, means, "dawid-skene")
    return Said(sum(means.values()) / len(means), means, "mean")
