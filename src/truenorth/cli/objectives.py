"""`truenorth objectives`: what each objective learns from and says, and how they relate."""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

from truenorth.base import UserError
from truenorth.cli import exits

TAKES = {
    "Logps": "answers",
    "Pair": "pairs",
    "Group": "lists",
    "Batch": "whole batch",
    "Distribution": "answers, distributions",
    "Scores": "scored answers",
    "ScorePair": "scored pairs",
    "TokenScores": "scored tokens",
    "StatePair": "two wordings",
}
AVERAGES = {"Losses": "sequence", "TokenLosses": "token", "StepLosses": "step"}


class Card(NamedTuple):
    """What the file of an objective says about it, read without importing it."""

    name: str
    about: str  # first line of the file
    takes: str
    columns: tuple[str, ...]  # a "?" after those that data may lack
    reference: bool
    divergence: bool
    average: str
    settings: dict[str, str]
    doc: str  # of the function, without its examples

    @property
    def needs(self) -> str:
        extra = ["reference"] * self.reference + ["its distributions"] * self.divergence
        return ", ".join([self.takes, *self.columns, *extra])

    @property
    def formula(self) -> str:
        return self.doc.partition("\n\n")[0].replace("\n", " ")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """List, explain NAME, derive FORMULA."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        f"{__doc__}\n\n"
        "  truenorth objectives                     list them\n"
        "  truenorth objectives explain NAME        formula, settings, source and logic of one\n"
        "  truenorth objectives derive FORMULA      the loss that asks for a formula, such as 'l -> w'"
    )
    parser.add_argument("action", nargs="?", choices=("explain", "derive"), help="omit it to list")
    parser.add_argument("what", nargs="?", metavar="NAME or FORMULA")
    parser.add_argument("--given", default="true", help="derive: worlds outside this formula do not count")
    parser.add_argument("--also", default="false", help="derive: worlds in this formula count for both sides")
    parser.add_argument("--list", action="store_true", help="names only, one a line")


def run(args: argparse.Namespace) -> int:
    """Print the table, the reading of one objective, or the loss that a formula asks for."""
    if args.action is None:
        print("\n".join(known()) if args.list else table([card(name) for name in known()]))
        return exits.OK
    if not args.what:
        raise UserError(f"{args.action} what?", expected="a name or a formula after it")
    print(_explained(args.what) if args.action == "explain" else _derived(args.what, args.given, args.also))
    return exits.OK


def known() -> list[str]:
    """The names, from the files: `base.names` would import the package above them, and torch with it."""
    return sorted(path.stem for path in _folder().glob("*.py") if not path.stem.startswith("_"))


def table(cards: list[Card]) -> str:
    """One line for each objective: name, what it needs, what it is averaged over, and what it is."""
    rows = [("name", "needs", "average", ""), *((c.name, c.needs, c.average, c.about) for c in cards)]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(n) for cell, n in zip(row, widths)), row[3]]).rstrip() for row in rows
    )


def card(name: str) -> Card:
    """What the file of an objective says.

    Raises:
        UserError: no such objective, with the nearest.
    """
    if name not in known():
        near = difflib.get_close_matches(name, known(), n=3, cutoff=0.4)
        fix = f"did you mean {' or '.join(near)}?" if near else "see truenorth objectives"
        raise UserError(f"no objective {name!r}", fix=fix)
    tree = ast.parse((_folder() / f"{name}.py").read_text(encoding="utf-8"))
    function = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name)
    given = function.args
    optional = {a.arg for a in given.args[len(given.args) - len(given.defaults) :]}
    own = [a.arg for a in given.args if a.arg not in ("policy", "reference", "kl")]
    positional = {a.arg: a for a in given.args}
    return Card(
        name,
        (ast.get_docstring(tree) or "").partition("\n")[0],
        TAKES.get(_text(positional["policy"].annotation), "?"),
        tuple(f"{c}?" if c in optional else c for c in own),
        "reference" in positional,
        "kl" in positional,
        AVERAGES.get(_text(function.returns), "?"),
        {a.arg: _text(d) for a, d in zip(given.kwonlyargs, given.kw_defaults)},
        _without_examples(ast.get_docstring(function) or ""),
    )


def _folder() -> Path:
    spec = importlib.util.find_spec("truenorth")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "learn" / "objectives"


def _text(node: Any) -> str:
    return ast.unparse(node) if node is not None else ""


def _without_examples(doc: str) -> str:
    paragraphs = doc.split("\n\n")
    kept = [p for p in paragraphs if ">>>" not in p and not p.strip().startswith("Example")]
    return "\n\n".join(kept)


def _explained(name: str) -> str:
    one = card(name)
    from truenorth.learn.logic import explain  # loads torch, so only now

    settings = ", ".join(f"{k}={v}" for k, v in one.settings.items()) or "none"
    parts = [
        f"{name}: {one.about}",
        f"needs: {one.needs}; averaged per {one.average}; settings: {settings}",
        one.doc,
        str(explain(name)),
    ]
    return "\n\n".join(parts)


def _derived(formula: str, given: str, also: str) -> str:
    from truenorth.learn.logic import derive
    from truenorth.learn.logic.compile import checked
    from truenorth.learn.logic.reading import compared

    derive(formula, given=given, also=also)  # refuses what cannot be a loss
    options = "".join(f", {k}={v!r}" for k, v, usual in
                      (("given", given, "true"), ("also", also, "false")) if v != usual)  # fmt: skip
    return "\n".join(
        [
            f"-log sigma(beta * rho), rho = log [weight that wins / weight that loses], of core {formula}",
            *compared(checked(formula, given, also)),
            "",
            "train it with:",
            "  from truenorth.learn.logic import derive",
            f"  Task('pairs', examples, derive({formula!r}{options}))",
        ]
    )
