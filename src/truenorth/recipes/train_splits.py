"""Rows to train on and rows to evaluate on: named apart, or held out by whole prompts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from truenorth.base import UserError, content_hash, seed_of
from truenorth.learn.data import Finding
from truenorth.recipes.train_settings import TrainSettings
from truenorth.records.tables import read_rows


class Split(NamedTuple):
    """Rows and their numbers in the file they come from."""

    rows: Sequence[Mapping[str, Any]]
    numbers: Sequence[int]


def splits(settings: TrainSettings) -> tuple[Split, Split | None]:
    """Training rows and evaluation rows."""
    source = settings.data + (f":{settings.dataset_config}" if settings.dataset_config else "")
    rows = read_rows(source, split=settings.dataset_train_split)
    whole = Split(rows, range(len(rows)))
    if settings.eval_data:
        held = read_rows(settings.eval_data, split=settings.dataset_test_split or "train")
        return whole, Split(held, range(len(held)))
    if settings.dataset_test_split:
        held = read_rows(source, split=settings.dataset_test_split)
        return whole, Split(held, range(len(held)))
    return (
        held_out(rows, settings.test_split_size, settings.seed) if settings.test_split_size else (whole, None)
    )


def held_out(rows: Sequence[Mapping[str, Any]], size: float, seed: int) -> tuple[Split, Split]:
    """Rows split by whole prompts: those of one prompt stay together, so what is held out was not trained on.

    Args:
        size: share of the rows (below 1), or how many.

    Raises:
        UserError: nothing would be left on one side.
    """
    keys = [prompt_key(row) for row in rows]
    wanted_rows = size * len(rows) if size < 1 else size
    sizes = Counter(keys)
    order = sorted(sizes, key=lambda key: seed_of("held out", seed, key))
    chosen: set[str] = set()
    count = 0
    for key in order:
        if count >= wanted_rows:
            break
        chosen.add(key)
        count += sizes[key]
    parts = [[i for i, key in enumerate(keys) if (key in chosen) is side] for side in (False, True)]
    if not all(parts):
        raise UserError(
            f"{size:g} of {len(rows)} rows ({len(sizes)} prompts) leaves nothing on one side",
            where="--test_split_size",
            fix="name a file with --eval_data, or hold out less",
        )
    train, held = (Split([rows[i] for i in part], part) for part in parts)
    return train, held


def prompt_key(row: Mapping[str, Any]) -> str:
    """What rows of one prompt have in common, broken rows included."""
    if row.get("prompt") is not None:
        return content_hash(row["prompt"])
    turns = row.get("messages")
    if isinstance(turns, list) and turns and all(isinstance(t, dict) for t in turns):
        first = next((i for i, t in enumerate(turns) if t.get("role") == "assistant"), len(turns))
        return content_hash(turns[:first])
    chosen = row.get("chosen")
    if isinstance(chosen, list) and chosen:
        return content_hash(chosen[:-1])
    return content_hash(dict(row))


def numbered(found: Sequence[Finding], train: Split, held: Split | None) -> list[Finding]:
    """Findings with the numbers that rows have in their files."""

    def numbers(finding: Finding) -> Sequence[int]:
        about_held = finding.check.startswith("eval ") or finding.check == "overlap"
        return held.numbers if held is not None and about_held else train.numbers

    return [f._replace(rows=tuple(numbers(f)[i] for i in f.rows)) for f in found]
