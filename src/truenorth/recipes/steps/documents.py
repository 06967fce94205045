"""Unlabelled texts of a domain: those of a file, or what was written of the organism's world since it was raised."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from truenorth.base import UserError
from truenorth.recipes.run_limits import Count, Table
from truenorth.recipes.run_work import Have, Load, Texts, Work
from truenorth.recipes.settings import Settings
from truenorth.records import Row, Source
from truenorth.records.tables import read_rows

EXPECTED = "a table with a column text; title (whom or what a text is about) is optional"


def documents(work: Work, *, file: Table = "", kind: str = "", n: Count | None = None) -> Texts:
    """The texts, at most `n` of them.

    Args:
        file: JSONL, Parquet, CSV or a hub id.
        kind: only those whose column `kind` says this.

    Raises:
        UserError: no file, no rows in it, or a row without text.
    """
    path = file or work.job.texts
    if not path:
        raise UserError("there are no texts", where="step documents", fix="--set documents.file=FILE")
    found = [row for row in read_rows(path) if not kind or row.get("kind") == kind]
    if not found or any(not str(row.get("text") or "").strip() for row in found):
        what = "a row without text" if found else f"no rows{f' of kind {kind}' if kind else ''}"
        raise UserError(what, where=str(path), expected=EXPECTED)
    name = f"file:{Path(path).name}"
    return [
        Row(dict(row), Source(name, "people", note=f"row {i}")) for i, row in enumerate(found[:n], start=1)
    ]


def forecast(rows: Sequence[float], settings: Settings, *, n: int | None = None, **given: str) -> Load:
    return Load(n or (90 if given.get("kind") else 140))


def lacks(have: Have, **settings: object) -> str:
    return "" if have.organism or settings.get("file") else "needs texts: --set documents.file=FILE"
