"""List what can be named in settings: objectives, checks, constitutions, recipes and their steps."""

from __future__ import annotations

import argparse
import ast
import importlib.util
from pathlib import Path

from truenorth.base import UserError
from truenorth.cli import exits

FOLDERS = {
    "objectives": "truenorth.learn.objectives",
    "merges": "truenorth.edit.methods",
    "edits": "truenorth.edit.safety",
    "checks": "truenorth.judges.checks",
    "constitutions": "truenorth.constitution.shipped",
    "recipes": "truenorth.recipes",
    "steps": "truenorth.recipes.steps",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("kind", nargs="?", metavar="KIND", help=f"one of {', '.join(FOLDERS)}")
    parser.add_argument("--list", action="store_true", help="names only, one a line")


def run(args: argparse.Namespace) -> int:
    """Do what the command line says; returns the exit status."""
    if args.kind is None:
        print("\n".join(FOLDERS))
        return exits.OK
    for name, about in entries(args.kind).items():
        print(name if args.list or not about else f"{name:<20} {about}")
    return exits.OK


def entries(kind: str) -> dict[str, str]:
    """The entries of one catalogue with the first line about each, read without importing them.

    Raises:
        UserError: no such catalogue.
    """
    if kind not in FOLDERS:
        raise UserError(f"no catalogue {kind!r}", expected="one of " + ", ".join(FOLDERS))
    folder = _folder(FOLDERS[kind])
    if kind in ("constitutions", "recipes"):
        return {path.stem: _title(path) for path in sorted(folder.glob("*.yaml"))}
    files = (path for path in sorted(folder.glob("*.py")) if not path.stem.startswith("_"))
    return {path.stem: _first_line(path) for path in files}


def _title(path: Path) -> str:
    """What a recipe or a constitution says of itself on top."""
    import yaml

    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    return str(told.get("title") or told.get("description") or "").strip()


def _folder(package: str) -> Path:
    parent, _, last = package.rpartition(".")
    spec = importlib.util.find_spec(parent)
    assert spec is not None, package
    assert spec.submodule_search_locations, package
    return Path(spec.submodule_search_locations[0]) / last


def _first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
