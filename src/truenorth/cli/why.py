"""Where a row came from: up through its parents to the principle and the seed.

truenorth why runs/mine 3f2a9c            a row by its id, or how the id begins
truenorth why runs/mine pairs:12          the 12th row (from 0) of the step `pairs`
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from truenorth.base import UserError
from truenorth.cli import exits

if TYPE_CHECKING:
    from truenorth.constitution import Constitution
    from truenorth.engine import View
    from truenorth.records import Row
    from truenorth.records.why import Why


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("run", metavar="RUN", help="a run directory")
    parser.add_argument("row", metavar="ROW", help="an id, the beginning of one, or STEP:NUMBER")
    parser.add_argument(
        "--constitution", metavar="FILE", help="where principles are read (default: the run's own)"
    )


def run(args: argparse.Namespace) -> int:
    """Do what the command line says; returns the exit status."""
    from truenorth.engine import View
    from truenorth.records.why import render, roots, why

    view = View.read(args.run)
    labelled = said_by_people(view)
    row_id = locate(view, args.row, labelled)
    rows = labelled | {row.id: row for name in _steps(view) for row in view.rows(name)}
    tree = why(rows.get, row_id)
    constitution = constitution_of(view, args.constitution)
    principles = {p.id: p for p in constitution.principles} if constitution else {}
    print(render(tree, principle=principles.get), end="")
    if notice := changed(tree, constitution, roots(tree)["constitution"]):
        print(notice)
    return exits.OK


def said_by_people(view: View) -> dict[str, Row]:
    """The rows of what people said of this run's answers (`truenorth annotate`), by id."""
    from truenorth.records.label_consensus import consensus
    from truenorth.records.label_rows import all_rows
    from truenorth.records.label_store import LabelStore

    path = view.path / "labels.sqlite"
    if not path.exists():
        return {}
    with LabelStore(path, create=False) as store:
        found = store.annotations()
    return {row.id: row for row in [*found.answers.values(), *all_rows(found), *consensus(found)]}


def locate(view: View, text: str, labelled: Mapping[str, Row]) -> str:
    """The full id that `text` means.

    Args:
        labelled: rows of what people said, which are in no step.

    Raises:
        UserError: no such row or step, or the beginning of several ids.
    """
    name, colon, number = text.rpartition(":")
    if colon and number.isdecimal():
        rows = view.rows(name)
        if int(number) >= len(rows):
            expected = f"0 to {len(rows) - 1}"
            raise UserError(f"no row {number}", where=f"{view.path}, step {name}", expected=expected)
        return rows[int(number)].id
    found = view.find(text)
    said = [row_id for row_id in labelled if row_id.startswith(text)] if found is None and text else []
    if len(said) == 1:
        return said[0]
    if found is None:
        steps = ", ".join(_steps(view)) or "none yet"
        fix = f"ids stand in the `id` column of its steps ({steps})"
        raise UserError(f"no row {text!r}", where=str(view.path), fix=fix)
    return found.row.id


def constitution_of(view: View, given: str | None) -> Constitution | None:
    """The constitution given, else the run's copy, else the one its settings name, if it is still there."""
    from truenorth.constitution import load

    if given:
        return load(given, allow_code=True)  # read only: nothing that it names is run here
    settings = view.manifest.get("config", {})
    named = settings.get("constitution") if isinstance(settings, dict) else None
    label = str(view.manifest.get("constitution", "")).partition("@")[0]
    copies = [view.path / "constitution.yaml", view.path / "constitution.md"]
    for candidate in (*copies, named, label):
        if candidate and isinstance(candidate, (str, type(view.path))):
            try:
                return load(candidate, allow_code=True)
            except UserError:  # moved, mended or never a file: ids are shown without their statements
                continue
    return None


def changed(tree: Why, constitution: Constitution | None, labels: list[str]) -> str:
    """A notice if the rows were made under another version than the one whose words were shown."""
    if constitution is None or not labels or constitution.label in labels:
        return ""
    made_under = ", ".join(labels)
    return f"(the statements above are those of {constitution.label}; the row was made under {made_under})"


def _steps(view: View) -> list[str]:
    return list(dict.fromkeys(step.name for step in view.steps if step.kind == "rows"))
