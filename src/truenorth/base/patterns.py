r"""Regular expressions that could take for ever, found by reading the pattern before any text is matched.

Python's `re` tries every way in which a repeated part can match and knows no time limit: `(a+)+$` takes twice as
long for each further "a" of "aaa!". That happens where the automaton of a repetition gets from a state back to the
same state in two ways that read the same text (exponential ambiguity: Weideman et al. 2016, "Analyzing Matching Time
Behavior of Backtracking Regular Expression Matchers by Using Ambiguity of NFA"). `runaway` looks for such a text.

Left out: patterns whose time grows with a power of the text's length, such as `.*x.*y.*z`, slow on long texts only.
Long counts are shortened, and what stands in a lookaround binds its first character at most.
"""

from __future__ import annotations

import re
import re._constants as op
import re._parser as parser
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from truenorth.base.ways import LARGEST, LEAVES, LOOKS, MANY, REPEATS, Label, Reader, again, parts_of

BEYOND = "éßſKİ一٣\u00a0\u2028…🙂"  # beside ASCII, one character of each sort

State = tuple[int, str]  # a position, and the character it read


def unusable(pattern: str) -> str | None:
    """Why no judge may search with `pattern`, in words for a message; None if it may."""
    try:
        text = runaway(pattern)
    except re.error as error:
        return f"not a regular expression ({error})"
    except OverflowError:
        return f"a pattern that repeats a part of more than {LARGEST:,} characters; make several of it"
    if text is None:
        return None
    shown = repr(text * (12 // len(text) + 1))
    why = f"as on {shown}, since its repetition reads that in many ways (write a+ for (a+)+)"
    return f"a pattern that can take for ever, {why}"


@lru_cache(maxsize=4096)
def runaway(pattern: str) -> str | None:
    r"""What to repeat, some thirty times, in a text that `pattern` would take for ever to read; None if nothing.

    Read as case-insensitive.

    Raises:
        re.error: not a regular expression.
        OverflowError: more than `LARGEST` positions in one repetition.

    >>> runaway(r"(a+)+$"), runaway(r"(\w+\s)+$")
    ('a', None)
    """
    tree = parser.parse(pattern, re.IGNORECASE)
    found = (_pump(body, flags, tree) for body, flags in _loops(tree, tree.state.flags))
    return next((text for text in found if text), None)


def _loops(nodes: Iterable[Any], flags: int) -> Iterator[tuple[Any, int]]:
    """The outermost repetitions of more than one character, and those that stand apart: bodies and their flags."""
    for kind, value in nodes:
        looped = kind in REPEATS and value[1] >= MANY
        if looped and not (len(value[2]) == 1 and value[2][0][0] in LEAVES):
            yield value[2], flags
        for part, inner in parts_of(kind, value, flags):
            yield from _apart(part, inner) if looped else _loops(part, inner)


def _apart(nodes: Iterable[Any], flags: int) -> Iterator[tuple[Any, int]]:
    """The repetitions that stand in a lookaround or an atomic group: the automaton around them skips these."""
    for kind, value in nodes:
        apart = kind in LOOKS or kind in (op.ATOMIC_GROUP, op.POSSESSIVE_REPEAT)
        for part, inner in parts_of(kind, value, flags):
            yield from _loops(part, inner) if apart else _apart(part, inner)


def _pump(body: Any, flags: int, tree: Any) -> str | None:
    """What a repetition of `body` can read in two ways from a state back to it."""
    reader = Reader(_alphabet(tree))
    ways = again(reader.sequence(body, flags))
    return _ambiguous(_steps(ways.follow, reader.classes))


def _alphabet(tree: Any) -> str:
    """Characters enough to tell the classes of the pattern apart, letters first."""
    named = {chr(c) for c in range(128)} | set(BEYOND)
    for c in map(int, re.findall(r"\d+", str(tree.data))):
        for near in (c - 1, c, c + 1):
            if 0 <= near < 0x110000:
                named |= set(chr(near) + chr(near).lower() + chr(near).upper())
    return "".join(sorted(named, key=lambda c: (not c.isalnum(), not c.islower(), c)))


def _holds(label: Label, a: str, b: str) -> bool:
    return all(_holds_between(what, a, b) for what in label)


def _holds_between(what: Any, a: str, b: str) -> bool:
    if isinstance(what, tuple):
        return (a if what[0] == "before" else b) in what[1]
    if what in ("edge", "no edge"):
        return (_of_word(a) != _of_word(b)) == (what == "edge")
    return {"line begins": a == "\n", "line ends": b == "\n"}.get(what, False)


def _of_word(c: str) -> bool:
    return c.isalnum() or c == "_"


def _steps(
    follow: Mapping[tuple[int, Label, int], int], classes: list[frozenset[str]]
) -> dict[State, dict[State, int]]:
    """From each state to the next, with the number of ways, over characters that the pattern tells apart."""
    asked = {what for _, label, _ in follow for what in label}
    groups: dict[Any, str] = {}
    looks = [w[1] for w in asked if isinstance(w, tuple)]
    for c in sorted(frozenset().union(*classes), key=lambda c: (not c.isalnum(), not c.islower(), c)):
        kind = (_of_word(c), c == "\n") if asked else ()
        groups.setdefault((tuple(c in k for k in classes), tuple(c in k for k in looks), kind), c)
    takes = [[c for c in groups.values() if c in k] for k in classes]
    steps: dict[State, dict[State, int]] = {}
    for (p, label, q), n in follow.items():
        for a in takes[p]:
            for b in takes[q]:
                if _holds(label, a, b):
                    to = steps.setdefault((p, a), {})
                    to[q, b] = to.get((q, b), 0) + n
    return steps


def _ambiguous(steps: Mapping[State, Mapping[State, int]]) -> str | None:
    """A text that leads from some state back to it in two ways."""
    for a, nexts in steps.items():
        for b, ways in nexts.items():
            if ways > 1 and (back := _path(steps, b, a)) is not None:
                return b[1] + back
    reads: dict[State, dict[str, list[State]]] = {s: {} for s in steps}
    for s, nexts in steps.items():
        for to in nexts:
            reads[s].setdefault(to[1], []).append(to)
    unlike = {tuple(sorted(nexts)): s for s, nexts in steps.items()}.values()  # one of those that lead alike
    came: dict[tuple[State, State], tuple[State, State] | None] = {(s, s): None for s in unlike}
    queue = deque(came)
    while queue:
        one, two = here = queue.popleft()
        ahead, beside = reads.get(one, {}), reads.get(two, {})
        for a, b in ((a, b) for c, tos in ahead.items() for a in tos for b in beside.get(c, ())):
            if a == b and one != two:
                text, start = _walked(came, here)
                if (back := _path(steps, a, start)) is not None:
                    return text + a[1] + back
            elif a != b and (a, b) not in came:
                came[a, b] = here
                queue.append((a, b))
    return None


def _walked(came: Mapping[Any, Any], here: Any) -> tuple[str, State]:
    """What was read on the way to a pair of states, and the state where both began."""
    text = ""
    while came[here] is not None:
        text, here = here[0][1] + text, came[here]
    return text, here[0]


def _path(steps: Mapping[State, Mapping[State, int]], start: State, goal: State) -> str | None:
    """What is read on a shortest way from `start` to `goal`; "" if they are one."""
    read, queue = {start: ""}, deque([start])
    while queue:
        here = queue.popleft()
        if here == goal:
            return read[here]
        for state in steps.get(here, ()):
            if state not in read:
                read[state] = read[here] + state[1]
                queue.append(state)
    return None
