"""`truenorth COMMAND ...`: every module in this folder that defines `run` is a command.

Help is read from their sources, so that `truenorth --help` imports nothing but the standard library.
"""

from __future__ import annotations

import ast
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

import truenorth
from truenorth.cli import exits

FIRST = (  # what people reach for first, in the order in which they do
    *("align", "run", "train", "measure", "report", "why", "constitution", "data", "judge", "doctor"),
    *("plan", "auto", "compare", "merge", "edit", "annotate", "gallery", "world"),
    *("catalogue", "objectives", "statistics"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; people's mistakes are one line on standard error."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words in (["--version"], ["-V"]):
        print(f"truenorth {truenorth.__version__}")
        return exits.OK
    if not words or words[0] in ("-h", "--help", "help"):
        with contextlib.suppress(BrokenPipeError):  # `truenorth --help | head`
            print(overview(), flush=True)
        return exits.OK
    from truenorth.cli.dispatch import dispatch

    return dispatch(words[0], words[1:])


def commands() -> dict[str, str]:
    """Each command and the first line about it, read without importing it."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        if {"run", "add_arguments"} <= functions and not path.stem.startswith("_"):
            found[path.stem] = _about(path.stem, tree)
    order = [*(name for name in FIRST if name in found), *(name for name in found if name not in FIRST)]
    return {name: found[name] for name in order}


def _about(name: str, tree: ast.Module) -> str:
    """The first line of a module's docstring, without the command itself and the full stop."""
    first = (ast.get_docstring(tree) or "").partition("\n")[0].removeprefix(f"`truenorth {name}`:").strip()
    return first[:1].upper() + first[1:].removesuffix(".")


def overview() -> str:
    """What `truenorth --help` prints."""
    lines = [f"  {name:<13} {about}" for name, about in commands().items()]
    return "\n".join(
        [
            "usage: truenorth COMMAND [options]",
            "",
            "Align a language model to a written constitution, with evidence.",
            "`truenorth align` with no options aligns the small model that ships inside.",
            "",
            "commands:",
            *lines,
            "",
            "`truenorth COMMAND --help` says more; `truenorth --version` says which one this is.",
            "",
            exits.TABLE.rstrip(),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
