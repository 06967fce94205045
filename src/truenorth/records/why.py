"""Where a row came from: its parents, theirs, up to the principle and the seed that began it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from truenorth.base import UserError
from truenorth.records.types import Row

WIDTH = 100
SHOWN = 160  # characters of a value


class Principle(Protocol):
    """What rendering reads of a principle."""

    title: str
    statement: str


FindRow = Callable[[str], Row | None]
FindPrinciple = Callable[[str], Principle | None]


@dataclass(frozen=True)
class Why:
    """A row and the rows it was made from. `row` is None where it is not to be found."""

    id: str
    row: Row | None
    parents: tuple[Why, ...] = ()

    def walk(self) -> Iterator[Why]:
        """This row, then everything above it, each once."""
        seen: set[str] = set()
        stack = [self]
        while stack:
            here = stack.pop()
            if here.id not in seen:
                seen.add(here.id)
                yield here
                stack += reversed(here.parents)


def why(find: FindRow, row_id: str) -> Why:
    """The tree above a row. Rows that several others share are walked once; missing ones are kept as missing.

    Raises:
        UserError: the row itself is not to be found.
    """
    if find(row_id) is None:
        raise UserError(f"no row {row_id!r}", fix="ids stand in the `id` column of a run's tables")
    made: dict[str, Why] = {}
    open_ids: list[str] = [row_id]
    opened = {row_id}
    while open_ids:
        here = open_ids[-1]
        row = find(here)
        parents = row.source.parents if row else ()
        waiting = [p for p in parents if p not in opened]
        if waiting:
            open_ids.append(waiting[0])
            opened.add(waiting[0])
            continue
        made[here] = Why(here, row, tuple(made[p] for p in parents if p in made))
        open_ids.pop()
    return made[row_id]


def roots(tree: Why) -> dict[str, list[Any]]:
    """What it all goes back to: principles, constitutions, seeds, models, judges and people, in order met."""
    found: dict[str, list[Any]] = {
        k: [] for k in ("principle", "constitution", "seed", "model", "judge", "people")
    }
    for node in tree.walk():
        if node.row is None:
            continue
        source = node.row.source
        person = source.producer if source.family == "people" else ""
        for key, value in (*((k, getattr(source, k)) for k in list(found)[:-1]), ("people", person)):
            if value not in ("", None) and value not in found[key]:
                found[key].append(value)
    return found


def render(tree: Why, *, principle: FindPrinciple | None = None) -> str:
    """The tree as text, and under it the principles, in full where `principle` finds them, and the seeds."""
    lines: list[str] = []
    seen: set[str] = set()
    stack: list[tuple[Why, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        lines += _node(node, depth, again=node.id in seen)
        if node.id not in seen:
            seen.add(node.id)
            stack += [(parent, depth + 1) for parent in reversed(node.parents)]
    return "\n".join(lines + _ending(tree, principle)) + "\n"


def _node(node: Why, depth: int, *, again: bool) -> list[str]:
    pad = "   " * depth
    arrow = f"{pad}<- " if depth else ""
    if node.row is None:
        return [f"{arrow}{node.id}  (not in this run)"]
    source = node.row.source
    if again:
        return [f"{arrow}{source.producer}  {node.id}  (as above)"]
    facts = [
        f"{k} {v}"
        for k in ("model", "judge", "principle", "seed")
        if (v := getattr(source, k)) not in ("", None)
    ]
    lines = [f"{arrow}{source.producer}  {node.id}" + (f"  [{'; '.join(facts)}]" if facts else "")]
    inner = pad + ("   " if depth else "") + "   "
    values = [*node.row.data.items(), *([("note", source.note)] if source.note else [])]
    for name, value in values:
        text = " ".join(_plain(value).split())
        text = text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
        lines.append(
            textwrap.fill(f"{name}: {text}", WIDTH, initial_indent=inner, subsequent_indent=inner + "  ")
        )
    return lines


def _ending(tree: Why, principle: FindPrinciple | None) -> list[str]:
    found, lines = roots(tree), [""]
    for name in found["principle"]:
        known = principle(name) if principle else None
        text = f"{name}: {known.title}. {known.statement}" if known else name
        lines.append(textwrap.fill(f"principle {text}", WIDTH, subsequent_indent="   "))
    for key in ("constitution", "seed", "people"):
        if found[key]:
            lines.append(f"{key} {', '.join(map(str, found[key]))}")
    missing = sum(node.row is None for node in tree.walk())
    if missing:
        lines.append(f"{missing} of the rows above {'is' if missing == 1 else 'are'} not in this run")
    return lines if len(lines) > 1 else []


def _plain(value: Any) -> str:
    if (
        isinstance(value, (list, tuple))
        and value
        and all(isinstance(m, dict) and "content" in m for m in value)
    ):
        return " | ".join(f"{m['role']}: {m['content']}" for m in value)
    return str(value)
