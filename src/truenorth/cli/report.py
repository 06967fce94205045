"""Write the report of a run again, or print it.

truenorth report runs/mine                  writes runs/mine/report.html anew
truenorth report runs/mine --as console     prints the table
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from truenorth.base import UserError, unreadable
from truenorth.cli import exits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("run", metavar="RUN", type=Path, help="a run directory, or a report.json")
    parser.add_argument(
        "--as",
        dest="form",
        choices=("page", "console", "card", "json"),
        default="page",
        help="page (default), console table, model card, or the checked JSON",
    )
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="write the page there instead")


def run(args: argparse.Namespace) -> int:
    """Do what the command line says; returns the exit status."""
    from truenorth.report import console_table, model_card, write_report

    path = args.run / "report.json" if args.run.is_dir() else args.run
    data = _read(path)
    if args.form == "page":
        print(write_report(data, args.out or path.parent))
    elif args.form == "card":
        print(model_card(data))
    elif args.form == "json":
        print(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        from rich.console import Console

        Console().print(console_table(data))
    return exits.OK


def _read(path: Path) -> dict[str, object]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError("no such report", where=str(path), fix="has the run finished?") from error
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"not JSON ({error})", where=str(path)) from error
    if not isinstance(data, dict):
        raise UserError("not a report", where=str(path), expected="a JSON object")
    return data
