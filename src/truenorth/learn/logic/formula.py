"""Propositional formulas: read, evaluated, and written as short as possible."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from truenorth.base import UserError

Row = tuple[bool, ...]  # a world: which of the variables hold, in order
TOKEN = re.compile(r"\s*(->|[~&|^()]|[A-Za-z_]\w*)")
WORDS = {"not": "~", "and": "&", "xor": "^", "or": "|", "implies": "->"}
LEVELS = ("->", "|", "^", "&")  # from the loosest to the tightest; `->` groups to the right


class Formula(NamedTuple):
    """A formula as text, its variables in order of appearance, and its truth in a world."""

    text: str
    variables: tuple[str, ...]
    holds: Callable[[Mapping[str, bool]], bool]

    def worlds(self, variables: tuple[str, ...]) -> frozenset[Row]:
        """The worlds over `variables` in which it holds."""
        rows = itertools.product((False, True), repeat=len(variables))
        return frozenset(row for row in rows if self.holds(dict(zip(variables, row))))


def parse(text: str) -> Formula:
    """Read `l -> w`, `w & ~l`, `(w ^ l) | rw`, `not w implies l`, `true`.

    `~` binds tightest, then `&`, `^`, `|`, `->`.

    Raises:
        UserError: not a formula, with the place.

    >>> parse("l -> w").holds({"w": False, "l": True})
    False
    """
    tokens, at = [], 0
    while at < len(text.rstrip()):
        match = TOKEN.match(text, at)
        if not match:
            raise UserError(
                f"formula {text!r}: cannot read {text[at:].strip()[:10]!r}", expected="names, ~ & ^ | -> ( )"
            )
        tokens.append(WORDS.get(match[1], match[1]))
        at = match.end()
    names: list[str] = []
    holds, rest = _level(tokens, 0, names, text)
    if rest:
        raise UserError(f"formula {text!r}: {rest[0]!r} is left over")
    return Formula(text.strip(), tuple(names), holds)


def _level(tokens, level, names, text):
    """The formula at the front of `tokens` made of operators of this level or tighter, and what is left."""
    if level == len(LEVELS):
        return _atom(tokens, names, text)
    left, rest = _level(tokens, level + 1, names, text)
    operator = LEVELS[level]
    while rest and rest[0] == operator:
        right, rest = _level(rest[1:], level if operator == "->" else level + 1, names, text)
        left = _joined(operator, left, right)
    return left, rest


def _joined(operator, a, b):
    if operator == "->":
        return lambda world: not a(world) or b(world)
    if operator == "|":
        return lambda world: a(world) or b(world)
    if operator == "^":
        return lambda world: a(world) != b(world)
    return lambda world: a(world) and b(world)


def _atom(tokens, names, text):
    if not tokens:
        raise UserError(f"formula {text!r} ends too early")
    first, rest = tokens[0], tokens[1:]
    if first == "~":
        inner, rest = _atom(rest, names, text)
        return (lambda world: not inner(world)), rest
    if first == "(":
        inner, rest = _level(rest, 0, names, text)
        if not rest or rest[0] != ")":
            raise UserError(f"formula {text!r}: a parenthesis is not closed")
        return inner, rest[1:]
    if first in ("true", "false"):
        return (lambda world: first == "true"), rest
    if not first[0].isalpha():
        raise UserError(f"formula {text!r}: {first!r} stands where a name should")
    if first not in names:
        names.append(first)
    return (lambda world: world[first]), rest


def shortest(variables: tuple[str, ...], worlds: frozenset[Row]) -> str | None:
    """The shortest formula with these worlds, where it has at most two variables that matter; else None.

    >>> shortest(("w", "l"), parse("~l | w").worlds(("w", "l")))
    'l -> w'
    """
    matter = [i for i in range(len(variables)) if worlds != frozenset(_flipped(row, i) for row in worlds)]
    if len(matter) > 2:
        return None
    if not matter:
        return "true" if worlds else "false"
    kept = tuple(variables[i] for i in matter)
    return _catalogue(kept)[frozenset(tuple(row[i] for i in matter) for row in worlds)]


def _flipped(row: Row, i: int) -> Row:
    return (*row[:i], not row[i], *row[i + 1 :])


@lru_cache
def _catalogue(kept: tuple[str, ...]) -> dict[frozenset[Row], str]:
    texts = [*kept, *(f"~{v}" for v in kept)]
    if len(kept) == 2:
        a, b = kept
        signs = [(x, y) for x in (a, f"~{a}") for y in (b, f"~{b}")]
        texts += [f"{x} & {y}" for x, y in signs]
        texts += [f"{b} -> {a}", f"{a} -> {b}", f"{a} | {b}", f"~{a} | ~{b}", f"{a} ^ {b}", f"~({a} ^ {b})"]
    return {parse(t).worlds(kept): t for t in texts}
