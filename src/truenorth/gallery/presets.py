"""The table of presets: what is run, with which settings, and what it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any

from truenorth.base import UserError, find, unreadable
from truenorth.base.lines import read_yaml

BASE = "base"
KINDS = "truenorth.gallery.kinds"


@dataclass(frozen=True)
class Preset:
    """A row of the gallery.

    Args:
        kind: a module of `gallery.kinds`, which makes the model.
        method: of that kind's catalogue; by default the row's name.
        settings: of the method.
        of: rows whose models it works on. `dpo@1` is the row `dpo` with the seed after this one's.
        baseline: a second row it is compared with, beside the base model.
        steps, lr: of training, in place of the gallery's.
        rounds: sample fresh answers to learn from this many times; 0: the shared data.
        beside: further objectives on the shared data, with their weights.
        only: learn from the pairs that this principle decided; turned: and prefer what was rejected.
        anchors: hold the training to the model's own good answers and documents.
        fast: part of the small run for CI.
        about: a few words for people.
        why: for people: the reason, where it is known not to move its score.
    """

    name: str
    kind: str
    method: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    of: tuple[str, ...] = ()
    baseline: str = BASE
    steps: int | None = None
    lr: float | None = None
    anchors: bool = True
    rounds: int = 0
    only: str = ""
    turned: bool = False
    beside: Mapping[str, float] = field(default_factory=dict)
    fast: bool = False
    about: str = ""
    why: str = ""

    def identity(self) -> list[Any]:
        """What its result depends on."""
        told = [self.kind, self.method, dict(self.settings), list(self.of), self.steps, self.lr, self.anchors]
        return [*told, self.rounds, dict(self.beside), self.only, self.turned]

    def training(self) -> dict[str, Any]:
        """What of training it has of its own."""
        own: dict[str, Any] = {"steps": self.steps, "lr": self.lr, "rounds": self.rounds or None}
        own |= {"only": self.only or None, "turned": self.turned or None}
        own |= {f"beside {name}": weight for name, weight in self.beside.items()}
        own |= {} if self.anchors else {"anchors": False}
        return {name: value for name, value in own.items() if value is not None}

    def under(self, seeds: Sequence[int]) -> tuple[int, ...]:
        """The seeds it runs under: nothing of the base model is drawn, so it stands once."""
        return (0,) if self.kind == BASE else tuple(seeds)

    def needs(self, seed: int) -> list[tuple[str, int]]:
        """The cells that must be there first: row and seed."""
        return [(name, seed + int(later or 0)) for name, _, later in (one.partition("@") for one in self.of)]


KEYS = tuple(key.name for key in fields(Preset) if key.name != "name")


def presets(file: str | Path | None = None) -> dict[str, Preset]:
    """The rows by name, each checked: its kind and method exist, and what it names is in the table.

    Args:
        file: another table; by default the one that ships.

    Raises:
        UserError: with the line, for a row that is not one.
    """
    shipped = resources.files("truenorth.gallery").joinpath("presets.yaml")
    where = str(file or "presets.yaml")
    try:
        text = Path(file).read_text(encoding="utf-8-sig") if file else shipped.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(where, error) from error
    source = read_yaml(text)
    if source.problems:
        raise UserError(source.problems[0].at(where))
    if not isinstance(source.data, dict):
        raise UserError("not a table of presets", where=where, expected="NAME: {kind: ...}")
    rows = {name: _preset(name, given or {}, where) for name, given in source.data.items()}
    for row in rows.values():
        unknown = [n for n in (*(o.partition("@")[0] for o in row.of), row.baseline) if n not in rows]
        if unknown:
            raise UserError(f"{row.name} names {unknown[0]}, which is no row", where=where)
        find(KINDS, row.kind, where=where)
    return rows


def _preset(name: str, given: Mapping[str, Any], where: str) -> Preset:
    if not isinstance(given, Mapping):
        raise UserError(f"{given!r} is no row", where=f"{where}, {name}", expected="{kind: ...}")
    odd = [key for key in given if key not in KEYS]
    if odd or "kind" not in given:
        what = f"unknown key {odd[0]!r}" if odd else "no kind"
        raise UserError(what, where=f"{where}, {name}", expected=", ".join(KEYS))
    return Preset(**{"name": name, "method": name, **given, "of": tuple(given.get("of", ()))})


def chosen(rows: Mapping[str, Preset], only: Sequence[str] = (), *, fast: bool = False) -> list[Preset]:
    """The rows asked for, in the order of the table; the base model is always among them.

    Raises:
        UserError: no such row.
    """
    unknown = [name for name in only if name not in rows]
    if unknown:
        raise UserError(f"no preset {unknown[0]!r}", where="--only", expected="one of " + ", ".join(rows))
    return [
        row
        for row in rows.values()
        if row.name == BASE or (row.name in only if only else row.fast or not fast)
    ]


def in_waves(rows: Mapping[str, Preset], asked: Sequence[tuple[str, int]]) -> list[list[tuple[str, int]]]:
    """Cells and those they are made from, so that each wave needs only the waves before it.

    Raises:
        UserError: rows that need each other.
    """
    depth: dict[tuple[str, int], int] = {}

    def deep(cell: tuple[str, int], above: tuple[str, ...]) -> int:
        name, seed = cell
        if name in above:
            raise UserError(f"{name} is made from itself", where="presets")
        if cell not in depth:
            depth[cell] = 1 + max((deep(c, (*above, name)) for c in rows[name].needs(seed)), default=-1)
        return depth[cell]

    for cell in asked:
        deep(cell, ())
    return [
        [c for c, at in depth.items() if at == wave] for wave in range(1 + max(depth.values(), default=-1))
    ]
