"""report.json and report.html, written whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from truenorth.base import write_text
from truenorth.report.page import render
from truenorth.report.schema import check
from truenorth.report.verdict import verdict


def write_report(data: Mapping[str, Any], folder: str | Path) -> Path:
    """Check the data and write `report.json` and `report.html` into a folder; returns the page's path.

    Raises:
        UserError: the data is not a report (see `report.schema.Report`), or the folder cannot be written.
    """
    report = check(data)
    whole = report.model_copy(update={"verdict": verdict(report)})
    page = render(whole)
    content = json.dumps(whole.model_dump(mode="json"), indent=2, allow_nan=False)
    write_text(Path(folder) / "report.json", content + "\n")
    return write_text(Path(folder) / "report.html", page)
