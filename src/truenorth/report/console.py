"""The results as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from truenorth.report import words
from truenorth.report.schema import Comparison, Report, check
from truenorth.report.verdict import title_of, verdict

COLOURS = {"better": "green", "worse": "red", "changed": "yellow", "unclear": "dim"}


def console_table(data: Mapping[str, Any]) -> Table:
    """Base against aligned, a row a principle and a column a set; facts and skills below, then the verdict.

    Raises:
        UserError: the data is not a report.
    """
    report = check(data)
    sets = {report.set: report.principles, **{name: s.principles for name, s in report.sets.items()}}
    abilities = {report.set: report.capability, **{name: s.capability for name, s in report.sets.items()}}
    told = verdict(report)
    style = {True: "green", False: "red", None: "yellow"}[told.passed]
    table = Table(
        title=Text(report.title),
        caption=Text(told.sentence, style=style),
        box=None,
        pad_edge=False,
        padding=(0, 3, 0, 0),
        title_justify="left",
        caption_justify="left",
        title_style="bold",
    )
    table.add_column("")
    for name in sets:
        table.add_column(Text(f"{name}: base → aligned"))
    _add(table, report, sets)
    if any(abilities.values()):
        table.add_section()
        _add(table, report, abilities)
    return table


def _add(table: Table, report: Report, sets: Mapping[str, Mapping[str, Comparison]]) -> None:
    for name in dict.fromkeys(name for members in sets.values() for name in members):
        found = [members.get(name) for members in sets.values()]
        table.add_row(Text(words.shown(title_of(report, name))), *(_cell(c) for c in found))


def _cell(c: Comparison | None) -> Text:
    if c is None:
        return Text("")
    told = Text(f"{words.number(c.base.mean, c.unit)} → ")
    told.append(words.number(c.aligned.mean, c.unit), style="bold")
    if c.paired:
        spread = words.difference_interval(c.paired, c.unit)
        told.append("  " + words.difference(c.paired, c.unit), style=COLOURS[words.change(c)])
        told.append(f" ({spread})" if spread else "", style="dim")
    return told
