"""Others' result files (and ours) as one thing: which system scored what on which item.

The folder is the catalogue: `readers/garak.py` defines `garak`, a `Reader`. A file is read by the first that
recognises it; `table` (plain CSV and JSON) comes last, since it recognises whatever has an item and a score.
"""

from __future__ import annotations

from pathlib import Path

from truenorth.base import UserError, find, names
from truenorth.measure.readers._types import Reader, Result, Scored, Summary

__all__ = ["Reader", "Result", "Scored", "Summary", "read_results"]


def read_results(path: str | Path) -> list[Result]:
    """The systems that a file or folder tells of, in its order.

    Raises:
        UserError: no such file, or no reader recognises it.
    """
    path = Path(path)
    if not path.exists():
        raise UserError("no such file or folder", where=str(path))
    order = sorted(names(__name__), key=lambda name: (name == "table", name))
    for name in order:
        reader: Reader = find(__name__, name)
        if reader.recognises(path):
            found = [result for result in reader.read(path) if result.rows or result.summaries]
            if not found:
                raise UserError(f"no scores in it (read as {name})", where=str(path))
            return found
    raise UserError(
        "not a result file that can be read",
        where=str(path),
        expected="one of " + ", ".join(order),
        fix="a CSV with the columns item, score and system is read too",
    )
