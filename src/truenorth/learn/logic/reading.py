"""What a catalogue loss says as a formula: read from the `LOGIC` of its file, related to the others."""

from __future__ import annotations

import ast
import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from truenorth.base import UserError, names
from truenorth.learn.logic.structure import Structure

CATALOGUE = "truenorth.learn.objectives"
SAID = {
    "w": "the model deems the chosen answer valid",
    "l": "the model deems the rejected answer valid",
    "rw": "the reference deems the chosen answer valid",
    "rl": "the reference deems the rejected answer valid",
    "mw": "a constant handicap of the chosen answer",
    "ml": "a constant handicap of the rejected answer",
}


class Reading(NamedTuple):
    """One log-ratio of a loss: rho = log [weight of `top` / weight of `bottom`], and the loss made of it."""

    top: str
    bottom: str
    loss: str  # in rho, beta and the objective's other settings
    margin: str = ""  # log [P(ml) / P(mw)], where it has a handicap
    probabilities: str = "of whole answers"

    @property
    def structure(self) -> Structure:
        """The formula that its two sides come to."""
        return Structure.of_ratio(self.top, self.bottom)


class Related(NamedTuple):
    """How the formula of a loss relates to the others of the catalogue."""

    same: tuple[str, ...]
    asks_more: tuple[str, ...]  # those that entail it
    asks_less: tuple[str, ...]  # those that it entails


class Explanation(NamedTuple):
    """The logical reading of an objective: its parts and their relations, or why there is none."""

    name: str
    parts: tuple[tuple[Reading, Related], ...] = ()
    why_not: str = ""

    def __str__(self) -> str:
        if self.why_not:
            return f"logic: does not apply: {self.why_not}"
        return "\n\n".join(
            _told(part, related, i, len(self.parts)) for i, (part, related) in enumerate(self.parts)
        )


def explain(name: str) -> Explanation:
    """The logical reading of an objective of the catalogue, derived from its declared log-ratios.

    Raises:
        UserError: no such objective.
    """
    parts = readings(name)
    if isinstance(parts, str):
        return Explanation(name, why_not=parts)
    return Explanation(name, tuple((part, related(part.structure, but=name)) for part in parts))


@lru_cache
def readings(name: str) -> tuple[Reading, ...] | str:
    """The declared log-ratios of an objective, or the reason why it has none.

    Raises:
        UserError: no such objective.
    """
    if name not in names(CATALOGUE):
        raise UserError(f"no objective {name!r}", fix="see truenorth objectives")
    spec = importlib.util.find_spec(CATALOGUE)
    assert spec is not None
    assert spec.submodule_search_locations
    source = (Path(spec.submodule_search_locations[0]) / f"{name}.py").read_text(encoding="utf-8")
    declared = _declared(ast.parse(source))
    if declared is None:
        return (
            "no log-ratio of answers' probabilities is declared for it; the theory is about losses of pairs"
        )
    if isinstance(declared, str):
        return declared
    return tuple(Reading(**part) for part in ([declared] if isinstance(declared, dict) else declared))


def _declared(tree: ast.Module) -> Any:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "LOGIC" for t in node.targets
        ):
            return ast.literal_eval(node.value)
    return None


def related(structure: Structure, *, but: str = "") -> Related:
    """The catalogue's log-ratios whose formula is the same, or stronger, or weaker.

    Losses made of several are named with the part: `orpo (part 1)`.

    Args:
        but: an objective to leave out.
    """
    same, more, less = [], [], []
    for name in names(CATALOGUE):
        parts = readings(name)
        if name == but or isinstance(parts, str):
            continue
        for i, part in enumerate(parts):
            called = name if len(parts) == 1 else f"{name} (part {i + 1})"
            if structure.same(part.structure):
                same.append(called)
            elif part.structure.entails(structure):
                more.append(called)
            elif structure.entails(part.structure):
                less.append(called)
    return Related(tuple(same), tuple(more), tuple(less))


def _told(part: Reading, related: Related, index: int, count: int) -> str:
    structure = part.structure
    formulas = structure.formulas(part.top, part.bottom)
    number = f" {index + 1} of {count}" if count > 1 else ""
    ratio = f"log [{_weight(part.top)} / {_weight(part.bottom)}]"
    lines = [
        f"logic{number}: rho = {ratio}, probabilities {part.probabilities}",
        *([f"  where log [P(ml) / P(mw)] = {part.margin}"] if part.margin else []),
        f"  loss   {part.loss}",
        f"  core   {formulas['core']}",
        f"  given  {formulas['given']}   (other worlds do not count)",
        f"  also   {formulas['also']}   (these count for both sides)",
        *compared(structure, related),
    ]
    return "\n".join(lines)


def compared(structure: Structure, relations: Related | None = None) -> list[str]:
    """Lines on what the variables mean, the marked worlds, and the nearest formulas."""
    relations = relations or related(structure)
    lines = [*[f"  {v:<5}  {SAID[v]}" for v in structure.variables], *_table(structure)]
    for title, found in zip(("same formula", "asks for more", "asks for less"), relations):
        lines.append(f"  {title}: {', '.join(found) or 'none in the catalogue'}")
    if len(structure.variables) <= 2:
        for title, weaker in (("one step stronger", False), ("one step weaker", True)):
            steps = structure.steps(weaker=weaker)
            near = "; ".join(_briefly(s) for s in steps if s.wins and s.loses)
            lines.append(f"  {title}: {near or 'none'}")
    return lines


def _weight(formula: str) -> str:
    """A conjunction of literals as a product of probabilities."""
    product = []
    for literal in formula.split(" & "):
        name = literal.lstrip("~")
        p = f"Pref({name[1:]})" if name.startswith("r") else f"P({name})"
        product.append(f"(1 - {p})" if literal.startswith("~") else p)
    return " ".join(product)


def _briefly(structure: Structure) -> str:
    parts = structure.formulas()
    said = parts["core"]
    if parts["given"] != "true":
        said += f", given {parts['given']}"
    if parts["also"] != "false":
        said += f", also {parts['also']}"
    return said


def _table(structure: Structure) -> list[str]:
    """The worlds that have a mark, at most sixteen: + wins, - loses."""
    marked = sorted(structure.wins | structure.loses, reverse=True)
    head = "  " + " ".join(f"{v:<2}" for v in structure.variables)
    rows = [
        "  " + " ".join(f"{int(on):<2}" for on in row) + ("  +" if row in structure.wins else "   ")
        + (" -" if row in structure.loses else "")
        for row in marked[:16]
    ]  # fmt: skip
    hidden = len(marked) - len(rows)
    return [head, *rows, *([f"  and {hidden} more worlds"] if hidden else [])]
