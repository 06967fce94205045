"""What every filter returns: the rows that stay, and why the others went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from truenorth.judges._prompts import asked
from truenorth.records import Prompt, Row, prompt_text


class Filtered(NamedTuple):
    """Rows kept, in order, and a count of the others by reason. `sum(dropped.values())` were not kept."""

    kept: list[Row]
    dropped: dict[str, int]


def filtered(kept: list[Row], reasons: Iterable[str]) -> Filtered:
    """Rows that stay, and the reason of each that does not, counted in alphabetical order."""
    return Filtered(kept, dict(sorted(Counter(reasons).items())))


def keep(rows: Sequence[Row], reasons: Sequence[str]) -> Filtered:
    """The rows whose reason to go is "", and a count of the others' reasons."""
    kept = [row for row, reason in zip(rows, reasons, strict=True) if not reason]
    return filtered(kept, [reason for reason in reasons if reason])


def funnel(*stages: tuple[str, Filtered]) -> list[dict[str, int | str]]:
    """One line a stage, for logs and reports: name, rows in, rows kept, and each reason's count.

    >>> funnel(("dedupe", Filtered([], {"exact": 2})))
    [{'stage': 'dedupe', 'in': 2, 'kept': 0, 'exact': 2}]
    """
    return [
        {"stage": name, "in": len(f.kept) + sum(f.dropped.values()), "kept": len(f.kept), **f.dropped}
        for name, f in stages
    ]


def row_prompt(row: Row) -> Prompt:
    """The prompt of a row: its `prompt` column."""
    return row.data["prompt"]


def row_text(row: Row) -> str:
    """The words of a row's prompt."""
    return prompt_text(row_prompt(row))


def last_turn(row: Row) -> str:
    """What the user said last; of a plain prompt, all of it."""
    prompt = row_prompt(row)
    if isinstance(prompt, str):
        return prompt
    return next((m["content"] for m in reversed(prompt) if m["role"] == "user"), asked(prompt))


def like(row: Row, text: str) -> Prompt:
    """A new prompt in the shape of a row's: plain text, or one turn of a user."""
    return text if isinstance(row_prompt(row), str) else [{"role": "user", "content": text}]
