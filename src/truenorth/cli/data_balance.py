"""Who is in a file's rows and how they are labelled: `truenorth data balance`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from truenorth.base import UserError, write_json
from truenorth.cli import exits

if TYPE_CHECKING:
    from truenorth.stats import Estimate
    from truenorth.synth.balance import Balance


def run_balance(args: argparse.Namespace) -> int:
    """Count groups and labels; write what was found, and weights where a population is named."""
    from truenorth.synth.balance import balance
    from truenorth.synth.sieve import columns_of

    columns_of(args.file, [name for name in (args.group, args.label) if name])
    labels = _labels(args.file, args.label) if args.label else None
    population = _population(args.population) if args.population else None
    found = balance(_groups(args.file, args.group), labels, population=population)
    if args.out:
        write_json(args.out, plain(found))
    if not args.quiet:
        show(found, args.label)
    return exits.OK


def _groups(path: Path, column: str) -> Iterator[str | None]:
    from truenorth.records.batches import read_batches

    for batch in read_batches(path):
        for row in batch:
            value = row.get(column)
            yield None if value in (None, "") else str(value)


def _labels(path: Path, column: str) -> Iterator[bool | None]:
    from truenorth.records.batches import read_batches
    from truenorth.synth.balance import label_of

    at = 0
    for batch in read_batches(path):
        for row in batch:
            try:
                yield label_of(row.get(column))
            except ValueError as error:
                raise UserError(str(error), where=f"{path}, row {at}, {column}") from error
            at += 1


def _population(path: Path) -> dict[str, float]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): float(share) for name, share in read.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        expected = '{"GROUP": share, ...}'
        why = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read the population ({why})", where=str(path), expected=expected) from error


def plain(found: Balance) -> dict[str, object]:
    """For JSON."""
    groups = [
        {
            **g._asdict(),
            **{k: e.to_dict() for k, e in g._asdict().items() if hasattr(e, "to_dict")},
            "apart": g.apart,
        }
        for g in found.groups
    ]
    return {"rows": found.rows, "missing": found.missing, "unlabelled": found.unlabelled, "groups": groups}


def show(found: Balance, label: str | None) -> None:
    """A row a group, and what stands out."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("group")
    for name in (
        "rows",
        "share",
        "should be",
        "weight",
        *([f"{label} [95 %]", "against the others"] if label else []),
    ):
        table.add_column(name, justify="right")
    for g in found.groups:
        cells = [
            f"{g.rows:,}",
            f"{100 * g.share.mean:.1f} %",
            f"{100 * g.population:.1f} %",
            f"{g.weight:.2f}",
        ]
        if label:
            cells += [_interval(g.labelled), _interval(g.difference, signed=True) + (" *" if g.apart else "")]
        table.add_row(Text(g.name), *cells)
    console = Console(highlight=False)
    console.print(table)
    notes = [f"no group: {_rows(found.missing)}"] if found.missing else []
    notes += [f"no label: {_rows(found.unlabelled)}"] if found.unlabelled else []
    if any(g.apart for g in found.groups):
        notes.append("* labelled otherwise than the other groups, all intervals taken together")
    for note in notes:
        console.print(note)


def _rows(many: int) -> str:
    return f"{many:,} row{'s' * (many != 1)}"


def _interval(e: Estimate | None, *, signed: bool = False) -> str:
    if e is None:
        return "-"
    sign = "+" if signed else ""
    return f"{100 * e.mean:{sign}.1f} [{100 * e.low:{sign}.1f}, {100 * e.high:{sign}.1f}]"
