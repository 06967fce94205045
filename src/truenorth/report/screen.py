"""The terminal that tables are printed to, and what stands in for one."""

from __future__ import annotations

import sys

from rich.console import Console

FILE_WIDTH = 160  # characters a line in a file or a pipe, where nothing has to fit a screen


def screen() -> Console:
    """As wide as the terminal; in a file or a pipe wide enough for every table, and without colours."""
    return Console(width=None if sys.stdout.isatty() else FILE_WIDTH, highlight=False)
