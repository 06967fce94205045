"""What a reader returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple


class Scored(NamedTuple):
    """One score of one item. The same item again is another sample of it.

    `score` None: it could not be scored, which is never 0. Items of one `cluster` may depend on one another.
    """

    item: str
    metric: str
    score: float | None
    cluster: str = ""
    slices: Mapping[str, str] = {}


class Summary(NamedTuple):
    """A published mean without its items; such systems cannot be paired."""

    metric: str
    mean: float
    se: float
    n: int


class Result(NamedTuple):
    """One system. `lower`: metrics of which less is better."""

    system: str
    source: str
    rows: list[Scored]
    summaries: tuple[Summary, ...] = ()
    lower: frozenset[str] = frozenset()


class Reader(NamedTuple):
    """`recognises` looks at names and the beginning of a file; `read` may take its time."""

    about: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], list[Result]]
