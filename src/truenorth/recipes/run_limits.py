"""What settings of steps may be, said in their types: `n: Count = 4`, `way: Annotated[str, one_of(WAYS)] = "list"`.

Every setting of a step that is a number has such a limit. They are looked at before anything runs, in one place
(`run_types.typed`); a step itself checks only what depends on its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from truenorth.base.patterns import unusable
from truenorth.records.tables import names_hub


class Limit(NamedTuple):
    """What a value must be: in words, and as a test of it. `names`, if there are only so many."""

    expected: str
    fits: Callable[[Any], bool]
    names: tuple[str, ...] = ()


def at_least(least: float) -> Limit:
    return Limit(f"{least:g} or more", lambda value: value >= least)


def above(least: float) -> Limit:
    return Limit(f"above {least:g}", lambda value: value > least)


def within(low: float, high: float) -> Limit:
    """Both ends included."""
    return Limit(f"from {low:g} to {high:g}", lambda value: low <= value <= high)


def above_to(low: float, high: float) -> Limit:
    """`low` itself is out, `high` is in."""
    return Limit(f"above {low:g}, at most {high:g}", lambda value: low < value <= high)


def one_of(names: Sequence[str]) -> Limit:
    return Limit("one of " + ", ".join(map(repr, names)), lambda value: value in names, tuple(names))


def each(limit: Limit, *, count: int = 0) -> Limit:
    """Of a list: every item fits, and there are `count` of them (0: one or more)."""
    return Limit(
        f"a list of {count or 'one or more'}, each {limit.expected}",
        lambda values: (len(values) == count if count else len(values) > 0) and all(map(limit.fits, values)),
    )


def template(*places: str, empty: bool = False) -> Limit:
    """A text with every one of the places, {text} say; perhaps none at all."""
    told = " and ".join(f"{{{place}}}" for place in places)
    return Limit(
        f"a text with {told}" + (", or none" if empty else ""),
        lambda value: (empty and not value) or all(f"{{{place}}}" in value for place in places),
    )


def _there(value: str) -> bool:
    return not value or Path(value).is_file()


def _swaps(value: str) -> bool:
    one, _, other = value.partition("/")
    return bool(one.strip() and other.strip())


def _is_fraction(value: str) -> bool:
    return value.replace(".", "", 1).isdecimal() and 0 <= float(value) <= 1


Count = Annotated[int, at_least(1)]
Amount = Annotated[int, at_least(0)]  # where none is a choice too
Share = Annotated[float, within(0, 1)]
SomeShare = Annotated[float, above_to(0, 1)]
Weight = Annotated[float, at_least(0)]
Positive = Annotated[float, above(0)]
Nats = Annotated[float, Limit("a number", lambda value: True)]  # any number at all
Pattern = Annotated[
    str, Limit("a regular expression that comes to an end", lambda value: not unusable(value))
]
File = Annotated[str, Limit("a file that is there", _there)]
Table = Annotated[
    str,
    Limit(
        "a file that is there, or a hub id",
        lambda value: _there(value) or Path(value).is_dir() or names_hub(value),
    ),
]
Fractions = Annotated[tuple[str, ...], each(Limit("a fraction from 0 to 1", _is_fraction))]
FILLED = Limit("a text that is not blank", lambda value: bool(value.strip()))
Filled = Annotated[tuple[str, ...], each(FILLED)]
Writing = Annotated[
    str, one_of(("list", "turns"))
]  # a numbered list asked for, or turns written by a chat model
Swaps = Annotated[tuple[str, ...], each(Limit('two terms, "he / she"', _swaps))]
There = Annotated[str, template("text")]
Back = Annotated[str, template("text", empty=True)]
