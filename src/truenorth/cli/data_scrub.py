"""Personal data out of a file's rows, and back: `truenorth data scrub` and `restore`."""

from __future__ import annotations

import argparse
from pathlib import Path

from truenorth.base import UserError
from truenorth.cli import exits


def run_scrub(args: argparse.Namespace) -> int:
    """Scrub or restore a file; the key is written before the rows, so that no stand-in is ever without it."""
    from truenorth.records.batches import check_suffix
    from truenorth.synth.personal import kinds_of, listed
    from truenorth.synth.scrub import Key, restore, scrub
    from truenorth.synth.sieve import change

    check_suffix(args.out)
    if args.key.resolve() in (args.out.resolve(), args.file.resolve()):
        raise UserError(
            "the key is one of the data files", where="--key", fix="name a file of its own, elsewhere"
        )
    columns = _columns(args.file, args.column)
    if args.action == "restore":
        key = Key.load(args.key)
        rows, changed = change(args.file, args.out, lambda text: restore(text, key), columns=columns)
        if not args.quiet:
            print(f"{rows:,} rows, {changed:,} of them restored: {args.out}")
        return exits.OK
    kinds = kinds_of(args.kinds.split(",") if args.kinds else ())
    if args.names:
        kinds = (*kinds, listed(_names(args.names)))
    key = Key.load(args.key) if args.key.exists() else Key()
    key.save(args.key)  # a place that cannot be written is refused before any work
    try:
        rows, changed = change(args.file, args.out, lambda text: scrub(text, key, kinds), columns=columns)
    finally:
        key.save(args.key)
    if not args.quiet:
        found = ", ".join(f"{n:,} {kind}" for kind, n in key.counts.most_common()) or "nothing personal"
        print(f"{rows:,} rows, {changed:,} of them changed ({found}): {args.out}")
        print(f"the key is in {args.key}; whoever has it has the personal data")
    return exits.OK


def _columns(path: Path, given: list[str]) -> list[str]:
    """The columns to change, none for all.

    Raises:
        UserError: no such file, no rows in it, or no such column: before the key is made.
    """
    from truenorth.records.batches import read_batches
    from truenorth.synth.sieve import columns_of

    if given:
        return columns_of(path, given)
    if not next(read_batches(path, size=1), []):
        raise UserError("no rows", where=str(path), expected="at least one row")
    return []


def _names(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(
            f"cannot read the names ({why})", where=str(path), expected="names, one a line"
        ) from error
