"""Preference structures: the worlds that win, the worlds that lose, and the three formulas that say so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from truenorth.base import UserError
from truenorth.learn.logic.formula import Row, parse, shortest

ORDER = ("w", "l", "rw", "rl", "mw", "ml")  # the usual variables come first


class Structure(NamedTuple):
    """A truth table with two marks: worlds that win (numerator) and worlds that lose (denominator).

    A world may have both marks, or neither; so n variables allow 4^(2^n) structures.
    """

    variables: tuple[str, ...]
    wins: frozenset[Row]
    loses: frozenset[Row]

    @classmethod
    def of(cls, core: str, *, given: str = "true", also: str = "false") -> Structure:
        """From formulas: (core | also) & given wins, (~core | also) & given loses.

        Args:
            core: what the loss wants to be true.
            given: worlds outside it count for neither side.
            also: worlds in it count for both sides.

        Source: Richardson et al. 2025, preference structures (P, P_C, P_A).

        >>> sorted(Structure.of("l -> w", given="w ^ l").wins)  # variables w, l
        [(True, False)]
        """
        p, p_c, p_a = parse(core), parse(given), parse(also)
        variables = ordered((*p.variables, *p_c.variables, *p_a.variables))
        everything = parse("true").worlds(variables)
        true, kept, both = (f.worlds(variables) for f in (p, p_c, p_a))
        return cls(variables, (true | both) & kept, ((everything - true) | both) & kept)

    @classmethod
    def of_ratio(cls, top: str, bottom: str) -> Structure:
        """From a log-ratio: its numerator and its denominator, each as a formula."""
        t, b = parse(top), parse(bottom)
        variables = ordered((*t.variables, *b.variables))
        return cls(variables, t.worlds(variables), b.worlds(variables))

    def lifted(self, variables: tuple[str, ...]) -> Structure:
        """The same over more variables: it says nothing about the new ones."""
        at = [variables.index(v) for v in self.variables]
        everything = parse("true").worlds(variables)

        def lift(rows: frozenset[Row]) -> frozenset[Row]:
            return frozenset(row for row in everything if tuple(row[i] for i in at) in rows)

        return Structure(variables, lift(self.wins), lift(self.loses))

    def entails(self, other: Structure) -> bool:
        """Whether winning here is winning there, and losing there is losing here.

        Then the log-ratio here is never above the one there, whatever the probabilities, and a falling loss
        of it is never below: this one asks for more.
        """
        variables = ordered((*self.variables, *other.variables))
        a, b = self.lifted(variables), other.lifted(variables)
        return a.wins <= b.wins and b.loses <= a.loses

    def same(self, other: Structure) -> bool:
        """Each entails the other."""
        return self.entails(other) and other.entails(self)

    def formulas(self, top: str = "", bottom: str = "") -> dict[str, str]:
        """`core`, `given` and `also`, simplified where two variables matter, else in terms of top and bottom."""
        everything = parse("true").worlds(self.variables)
        sets = {
            "core": ((everything - self.loses) | self.wins, f"({bottom}) -> ({top})"),
            "given": (self.wins | self.loses, f"({top}) | ({bottom})"),
            "also": (self.wins & self.loses, f"({top}) & ({bottom})"),
        }
        return {key: shortest(self.variables, rows) or text for key, (rows, text) in sets.items()}

    def steps(self, *, weaker: bool) -> Iterator[Structure]:
        """The structures next to it in the order of entailment: one mark more or less."""
        for row in sorted(parse("true").worlds(self.variables), reverse=True):
            if (row in self.wins) != weaker:
                yield self._replace(wins=self.wins ^ {row})
            if (row in self.loses) == weaker:
                yield self._replace(loses=self.loses ^ {row})


def ordered(names: tuple[str, ...]) -> tuple[str, ...]:
    """Each name once, the usual ones first.

    Raises:
        UserError: more than six names (64 worlds).
    """
    unique = dict.fromkeys([*(n for n in ORDER if n in names), *names])
    if len(unique) > 6:
        raise UserError(f"{len(unique)} variables: {', '.join(unique)}", expected="at most 6")
    return tuple(unique)
