"""Prompts of one's own: read, cleaned, and split so that none both trains and measures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from truenorth.base import UserError, seed_of, unreadable
from truenorth.models.glance import Glance
from truenorth.records import Prompt, Row, Source, as_messages, prompt_text
from truenorth.records.tables import read_rows
from truenorth.records.trl import prompt_of

COLUMNS = "a column prompt (text or messages) or messages; completion and cluster are optional"
LEAST = {"train": 20, "watched": 4, "test": 10}
SPARE = 8  # tokens of context left free: an answer may need a few more when it is tokenised again


class Split(NamedTuple):
    """Prompts to train on, to watch the training with, and to measure on; and what was left out, by reason.

    A row's data has `prompt`, `cluster`, and `human` (how a person went on; "" where the file does not say).
    """

    train: list[Row]
    watched: list[Row]
    test: list[Row]
    dropped: dict[str, int]


def read_prompts(
    path: str | Path, model: Glance, *, max_tokens: int, least: Mapping[str, int] = LEAST
) -> Split:
    """The prompts of a file, split 70 / 10 / 20 by a hash of their words (or of their `cluster`).

    A .txt file holds one prompt a line; JSONL, JSON, Parquet, CSV, folders and hub ids are read as tables. A
    model with a chat template is given messages, one without gets the text to go on with. Which part a prompt
    is in depends on its own words only: adding prompts to the file moves none.

    Args:
        least: prompts that each part must have.

    Raises:
        UserError: no such file, no prompts in it, wrong columns, or too few prompts to measure with.
    """
    where = str(path)
    rows = read_lines(path) if Path(path).suffix.lower() == ".txt" else read_rows(path)
    _check_columns(rows, where)
    dropped: Counter[str] = Counter()
    seen: set[str] = set()
    found: list[Row] = []
    for number, row in enumerate(rows, start=1):
        prompt = _prompt(row, model.chats, f"{where}, row {number}")
        key = " ".join(prompt_text(prompt).casefold().split())
        if not key or key in seen:
            dropped["duplicates" if key else "empty"] += 1
            continue
        seen.add(key)
        data = {"prompt": prompt, "cluster": str(row.get("cluster") or key), "human": _human(row)}
        source = Source(f"file:{Path(path).name}", family="people", note=f"row {number}")
        found.append(Row(data, source))
    kept = _fitting(found, model, max_tokens, where)
    dropped["too long for the context"] += len(found) - len(kept)
    parts: dict[str, list[Row]] = {"train": [], "watched": [], "test": []}
    for one in kept:
        parts[part_of(one.data["cluster"])].append(one)
    if not kept:
        raise UserError("no prompt with words in it", where=where, expected=COLUMNS)
    for part, fewest in least.items():
        if len(parts[part]) < fewest:
            raise UserError(
                f"{len(kept)} prompts leave {len(parts[part])} to {_USE[part]}",
                where=where,
                expected=f"at least {fewest}, so about 100 different prompts or more in all",
            )
    return Split(**parts, dropped={k: n for k, n in dropped.items() if n})


_USE = {"train": "train on", "watched": "watch the training with", "test": "measure on"}


def part_of(cluster: str) -> str:
    """Which part of the split a cluster is in: the same in every run and on every machine."""
    place = seed_of("split", cluster) % 100
    return "train" if place < 70 else "watched" if place < 80 else "test"


def read_lines(path: str | Path) -> list[dict[str, Any]]:
    """A text file's lines as prompts; blank lines are none.

    Raises:
        UserError: it cannot be read, or has no lines.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error
    rows = [{"prompt": line.strip()} for line in text.splitlines() if line.strip()]
    if not rows:
        raise UserError("no prompts", where=str(path), expected="a prompt a line")
    return rows


def _check_columns(rows: Sequence[Mapping[str, Any]], where: str) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not {"prompt", "messages"} & set(names) and not {"chosen", "rejected"} <= set(names):
        fix = "rename the column that holds the prompts"
        raise UserError(f"columns {', '.join(names)}", where=where, expected=COLUMNS, fix=fix)


def _prompt(row: Mapping[str, Any], chats: bool, where: str) -> Prompt:
    """The prompt as this model takes it."""
    prompt = prompt_of(row) if "messages" not in row or row["messages"] else ""
    if isinstance(prompt, str):
        return as_messages(prompt.strip()) if chats and prompt.strip() else prompt.strip()
    good = isinstance(prompt, (list, tuple)) and all(
        isinstance(turn, Mapping) and isinstance(turn.get("content"), str) and "role" in turn
        for turn in prompt
    )
    if not good:
        what = f"a prompt of type {type(prompt).__name__}"
        raise UserError(what, where=where, expected="text, or messages of role and content")
    turns = [{"role": turn["role"], "content": turn["content"]} for turn in prompt]
    return turns if chats else "\n".join(turn["content"] for turn in turns)  # type: ignore[return-value]


def _human(row: Mapping[str, Any]) -> str:
    """How a person went on, where the file has a column for it."""
    said = row.get("completion") or ""
    return said if isinstance(said, str) else "\n".join(turn["content"] for turn in said)


def _fitting(rows: list[Row], model: Glance, max_tokens: int, where: str) -> list[Row]:
    """The prompts that leave room for an answer of `max_tokens`.

    Raises:
        UserError: none does.
    """
    if model.context is None or not rows:
        return rows
    room = model.context - max_tokens - SPARE
    lengths = [len(ids) for ids in model.codec.prompt_ids([row.data["prompt"] for row in rows])]
    kept = [row for row, n in zip(rows, lengths, strict=True) if n <= room]
    if not kept:
        raise UserError(
            f"every prompt is too long: the shortest has {min(lengths)} tokens, and the context of "
            f"{model.context} leaves {max(0, room)} beside an answer of {max_tokens}",
            where=where,
            fix="shorten them, or --set max_tokens= to a smaller number",
        )
    return kept
