"""The parts of a regular expression as automata of their positions, with the number of ways for each step.

Read from the parse tree of Python's `re`. Left out: what lookarounds ask beyond the one character beside them.
Source: Glushkov 1961, "The Abstract Theory of Automata"; the ways are counted as `re` would try them.
"""

from __future__ import annotations

import re
import re._compiler as compiler
import re._constants as op
import re._parser as parser
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

MANY = 10  # a part that may be repeated so often counts as repeated without end
COPIES = 4  # shorter counts are written out, with at most so many copies of what must be and of what may be
LARGEST = 3000  # positions of one repetition
REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT)
LEAVES = (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN)
LOOKS = (op.ASSERT, op.ASSERT_NOT)

Label = frozenset[Any]  # what must hold between two characters for the way to be open
FREE: Label = frozenset()
END = "never"  # where the text begins or ends nothing stands on both sides


class Ways(NamedTuple):
    """A part: the ways to read nothing, to begin, to end, and to go on from one position to another."""

    empty: Counter[Label]
    first: Counter[tuple[Label, int]]
    last: Counter[tuple[int, Label]]
    follow: Counter[tuple[int, Label, int]]


def parts_of(kind: Any, value: Any, flags: int) -> list[tuple[Any, int]]:
    """The parts of a node of the parse tree, each with its flags."""
    if kind is op.SUBPATTERN:
        return [(value[3], (flags | value[1]) & ~value[2])]
    if kind is op.BRANCH:
        return [(part, flags) for part in value[1]]
    if kind is op.GROUPREF_EXISTS:
        return [(part or [], flags) for part in value[1:]]
    if kind in LOOKS:
        return [(value[1], flags)]
    if kind is op.ATOMIC_GROUP:
        return [(value, flags)]
    return [(value[2], flags)] if kind in (*REPEATS, op.POSSESSIVE_REPEAT) else []


class Reader:
    """Reads a part of the parse tree as `Ways`; `classes` has the characters that each position takes."""

    def __init__(self, alphabet: str):
        self.alphabet = alphabet
        self.classes: list[frozenset[str]] = []

    def sequence(self, nodes: Iterable[Any], flags: int) -> Ways:
        """Parts one after another."""
        ways = _only(FREE)
        for kind, value in nodes:
            ways = _then(ways, self.node(kind, value, flags))
        return ways

    def node(self, kind: Any, value: Any, flags: int) -> Ways:
        """One node of the parse tree. Raises OverflowError beyond `LARGEST` positions, as all that reads does."""
        if kind in LEAVES:
            return self.position(self.taken(kind, value, flags))
        if kind is op.AT:
            return _only(frozenset([_anchor(value, flags)]))
        if kind in LOOKS:
            return self.look(kind, value[0], value[1], flags)
        if kind in REPEATS:
            return self.repeat(value[0], value[1], value[2], flags)
        if kind is op.GROUPREF:
            return self.position(frozenset(self.alphabet))
        parts = [self.sequence(part, inner) for part, inner in parts_of(kind, value, flags)]
        if kind in (op.ATOMIC_GROUP, op.POSSESSIVE_REPEAT):
            return self.atomic(parts[0], optional=kind is op.POSSESSIVE_REPEAT and value[0] == 0)
        return _either(parts)

    def position(self, takes: frozenset[str]) -> Ways:
        """A new position, which takes one of these characters."""
        p = len(self.classes)
        if p >= LARGEST:
            raise OverflowError
        self.classes.append(takes)
        return Ways(Counter(), Counter({(FREE, p): 1}), Counter({(p, FREE): 1}), Counter())

    def taken(self, kind: Any, value: Any, flags: int) -> frozenset[str]:
        """The characters of the alphabet that a node of one character takes: `re` itself is asked."""
        state = parser.State()
        state.flags = flags
        one = compiler.compile(parser.SubPattern(state, [(kind, value)]), flags)
        return frozenset(c for c in self.alphabet if one.match(c))

    def repeat(self, least: int, most: int, body: Any, flags: int) -> Ways:
        """x{2,4} as xx(x(x)?)?, and x{2,} as xx+."""
        must, ways = min(least, COPIES), _only(FREE)
        if least < most and most >= MANY:
            ways = again(self.sequence(body, flags))
            ways = ways if must else _either([_only(FREE), ways])
            must -= 1
        else:
            for _ in range(min(most - least, COPIES)):
                ways = _either([_only(FREE), _then(self.sequence(body, flags), ways)])
        for _ in range(must):
            ways = _then(self.sequence(body, flags), ways)
        return ways

    def look(self, kind: Any, direction: int, part: Any, flags: int) -> Ways:
        """A lookaround as what it asks of the one character beside it; anything, where that cannot be said."""
        start = len(self.classes)
        seen = self.sequence(part, flags)
        one = len(part) == 1 and part[0][0] in LEAVES
        asked = frozenset().union(*(self.classes[p] for _, p in seen.first))
        del self.classes[start:]
        if kind is op.ASSERT_NOT and one:
            asked = frozenset(self.alphabet) - asked
        elif kind is op.ASSERT_NOT or any(END not in e for e in seen.empty) or (direction < 0 and not one):
            return _only(FREE)
        return _only(frozenset([("before" if direction < 0 else "after", asked)]))

    def atomic(self, inner: Ways, *, optional: bool) -> Ways:
        """What is never entered again from behind counts as one character."""
        one = self.position(frozenset().union(*(self.classes[p] for _, p in inner.first)))
        return _either([_only(FREE), one]) if optional or inner.empty else one


def _only(label: Label) -> Ways:
    return Ways(Counter({label: 1}), Counter(), Counter(), Counter())


def _either(parts: list[Ways]) -> Ways:
    empty, first = Counter[Label](), Counter[tuple[Label, int]]()
    last, follow = Counter[tuple[int, Label]](), Counter[tuple[int, Label, int]]()
    for part in parts:
        empty.update(part.empty)
        first.update(part.first)
        last.update(part.last)
        follow.update(part.follow)
    return Ways(empty, first, last, follow)


def _then(a: Ways, b: Ways) -> Ways:
    empty, first, last = Counter[Label](), Counter(a.first), Counter(b.last)
    for x, n in a.empty.items():
        for y, m in b.empty.items():
            empty[x | y] += n * m
        for (y, p), m in b.first.items():
            first[x | y, p] += n * m
    for y, m in b.empty.items():
        for (p, x), n in a.last.items():
            last[p, x | y] += n * m
    return Ways(empty, first, last, a.follow + b.follow + _between(a, b))


def again(a: Ways) -> Ways:
    """One or more times."""
    return a._replace(follow=a.follow + _between(a, a))


def _between(a: Ways, b: Ways) -> Counter[tuple[int, Label, int]]:
    found = Counter[tuple[int, Label, int]]()
    for (p, x), n in a.last.items():
        for (y, q), m in b.first.items():
            found[p, x | y, q] += min(n * m, 2)
    return found


def _anchor(value: Any, flags: int) -> str:
    if value in (op.AT_BOUNDARY, op.AT_NON_BOUNDARY):
        return "edge" if value is op.AT_BOUNDARY else "no edge"
    if flags & re.MULTILINE and value in (op.AT_BEGINNING, op.AT_END):
        return "line begins" if value is op.AT_BEGINNING else "line ends"
    return END
