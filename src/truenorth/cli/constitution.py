"""Check, print or compare constitutions.

truenorth constitution lint policy.yaml          contradictions, overlaps, what nothing can test
truenorth constitution show harbour              as people read it; with a principle's id, only that one
truenorth constitution diff old.yaml new.yaml    what changed, and what is stale because of it

FILE is a .yaml or .md file, or the name of a constitution that ships with truenorth.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import date
from pathlib import Path

from truenorth.base import UserError, names
from truenorth.cli import exits
from truenorth.constitution import Check, Constitution, diff, lint, load, show, show_principle

RunCheck = Callable[[Check, str, str], float | None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="lint|show|diff")
    check = actions.add_parser("lint", help="say what is doubtful; status 1 if something must be mended")
    check.add_argument("files", nargs="+", metavar="FILE")
    check.add_argument("--strict", action="store_true", help="warnings count as errors")
    read = actions.add_parser("show", help="print as people read it")
    read.add_argument("file", metavar="FILE")
    read.add_argument("principle", nargs="?", metavar="PRINCIPLE", help="an id; all by default")
    compare = actions.add_parser("diff", help="what changed, and what is stale")
    compare.add_argument("old", metavar="OLD")
    compare.add_argument("new", metavar="NEW")
    for action in (check, read, compare):
        action.add_argument(
            "--allow-code", action="store_true", help="accept (and for lint, run) code that the file names"
        )


def run(args: argparse.Namespace) -> int:
    """Do what the command line says; returns the exit status."""
    actions = {"lint": run_lint, "show": run_show, "diff": run_diff}
    return actions[args.action](args)


def run_lint(args: argparse.Namespace) -> int:
    """Print what is doubtful, with its line."""
    failing = ("error", "warning") if args.strict else ("error",)
    failed = False
    for file in args.files:
        constitution = load(file, allow_code=args.allow_code)
        findings = lint(
            constitution,
            run_check=checks_of(constitution),
            today=date.today(),
            checks=names("truenorth.judges.checks"),
        )
        for finding in findings:
            line = f", line {finding.line}" if finding.line else ""
            what = f"{finding.what} [{finding.rule}]"
            print(f"{constitution.path}{line}: {finding.level}: {finding.principle}: {what}")
        count = len(constitution.principles)
        found = _counted([f.level for f in findings])
        print(f"{constitution.label}: {count} principle{'s' if count != 1 else ''}, {found}")
        failed = failed or any(f.level in failing for f in findings)
    return exits.FAILED if failed else exits.OK


def run_show(args: argparse.Namespace) -> int:
    """Print a constitution, or one principle, as people read it."""
    constitution = load(args.file, allow_code=args.allow_code)
    if args.principle is None:
        print(show(constitution), end="")
        return exits.OK
    if args.principle not in constitution.ids:
        expected = "one of " + ", ".join(constitution.ids)
        raise UserError(f"no principle {args.principle!r}", where=str(constitution.path), expected=expected)
    print(show_principle(constitution.principle(args.principle)))
    return exits.OK


def run_diff(args: argparse.Namespace) -> int:
    """Print what changed, and what is stale for it."""
    old, new = (load(file, allow_code=args.allow_code) for file in (args.old, args.new))
    changes = diff(old, new)
    print(
        f"{old.label} -> {new.label}: {len(changes) or 'no'} principle{'' if len(changes) == 1 else 's'} changed"
    )
    for change in changes:
        print(change)
    return exits.OK


def checks_of(constitution: Constitution) -> RunCheck:
    """Runs any check of a constitution as its judges would.

    Raises:
        UserError: a check that does not exist, or is set up wrongly.
    """
    from truenorth.judges.compile import bind, place_of

    folder = constitution.path.parent if constitution.path else Path()
    bound = {
        id(check): bind(check.name, check.settings, folder=folder, where=place_of(constitution, p, k))
        for p in constitution.principles
        for k, check in enumerate(p.checks)
    }
    return lambda check, prompt, answer: bound[id(check)](prompt, answer)


def _counted(levels: list[str]) -> str:
    counts = [(levels.count(level), level) for level in ("error", "warning", "note")]
    return ", ".join(f"{n} {level}{'s' if n > 1 else ''}" for n, level in counts if n) or "nothing doubtful"
