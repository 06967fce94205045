"""One thing that a lint found: how bad, in which rows, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

Severity = Literal["error", "warning", "note"]
SHOWN = 8  # row numbers in a line


class Finding(NamedTuple):
    """Errors stop the work, warnings are printed, notes say what was done.

    Args:
        check: its short name: "duplicates".
        what: one sentence with the numbers.
        rows: row numbers, from 0; empty where it concerns all.
        fix: what to do.
    """

    severity: Severity
    check: str
    what: str
    rows: tuple[int, ...] = ()
    fix: str = ""

    def __str__(self) -> str:
        where = f" (rows {shown(self.rows)})" if self.rows else ""
        return f"{self.severity:<8} {self.check:<12} {self.what}{where}{'; ' + self.fix if self.fix else ''}"

    def to_dict(self) -> dict[str, Any]:
        return {**self._asdict(), "rows": list(self.rows)}


def shown(rows: Iterable[int]) -> str:
    """The first few row numbers, and how many more."""
    every = sorted(set(rows))
    more = f" and {len(every) - SHOWN} more" if len(every) > SHOWN else ""
    return ", ".join(map(str, every[:SHOWN])) + more


def some(count: int, of: int, noun: str = "row") -> str:
    """`3 of 20 rows`."""
    return f"{count:,} of {of:,} {noun}{'s' if of != 1 else ''}"
