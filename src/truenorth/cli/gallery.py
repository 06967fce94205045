"""Run every method on the model organism and put them side by side, with gold scores.

    truenorth gallery --list
    truenorth gallery --only dpo simpo kto --seeds 0 1 2 --jobs 2
    truenorth gallery --fast                 a few rows, tiny: seconds, and numbers that mean nothing

Rows are the presets of one table; a cell (a row under a seed) takes about five seconds of one core on nano, and
under half a minute on micro. Finished cells are not run again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from truenorth.base import UserError
from truenorth.cli import exits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("--list", action="store_true", help="the rows, one a line")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these rows")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="N", help="default: 0")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="cells at a time (default 1)")
    parser.add_argument("--fast", action="store_true", help="a few rows, tiny, to see that it runs")
    parser.add_argument("--presets", type=Path, metavar="FILE", help="another table of rows")
    parser.add_argument("--items", type=int, metavar="N", help="questions a principle (default 50)")
    parser.add_argument("--steps", type=int, metavar="N", help="of training (default 40)")
    parser.add_argument("--world", metavar="DIR", help="a world made by `truenorth world build`")
    parser.add_argument("--size", default="nano", metavar="NAME", help="of the organism (default nano)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: runs/gallery, or runs/gallery-fast")


def run(args: argparse.Namespace) -> int:
    """Do what the command line says; returns the exit status."""
    from truenorth.gallery.presets import chosen, presets

    rows = presets(args.presets)
    asked = chosen(rows, args.only, fast=args.fast)
    if args.list:
        for row in asked if args.only or args.fast else rows.values():
            print(row.name)
        return exits.OK
    if len(set(args.seeds)) < len(args.seeds):
        raise UserError("a seed twice", where="--seeds", expected="each once")
    if min(args.seeds) < 0:
        raise UserError(f"{min(args.seeds)}", where="--seeds", expected="0 or more")
    if args.steps is not None and args.steps < 1:
        raise UserError(f"{args.steps}", where="--steps", expected="1 or more")
    return _run(args, rows, asked)


def _run(args: argparse.Namespace, rows: Any, asked: Any) -> int:
    from dataclasses import replace

    from truenorth.gallery.cells import run_gallery
    from truenorth.gallery.making import FAST, SETTINGS
    from truenorth.gallery.page import write_gallery
    from truenorth.gallery.words import WIDE, console
    from truenorth.report.screen import screen
    from truenorth.worlds.harbour import organism

    settings = FAST if args.fast else SETTINGS
    given = {name: getattr(args, name) for name in ("items", "steps") if getattr(args, name)}
    out = args.out or Path("runs") / ("gallery-fast" if args.fast else "gallery")
    gallery = run_gallery(
        out,
        organism(args.size, args.world),
        rows,
        asked,
        seeds=args.seeds,
        settings=replace(settings, **given),
        jobs=args.jobs,
        quiet=args.quiet,
    )
    page = write_gallery(gallery, out)
    told = screen()
    told.print(console(gallery, wide=told.width >= WIDE))
    print(page)
    lost = [entry.name for entry in gallery.entries if entry.failed]
    return exits.FAILED if lost else exits.OK
