"""Clean and choose training rows, file to file: duplicates, diversity, personal data, evaluations, balance.

    truenorth data dedupe rows.jsonl --out clean.jsonl
    truenorth data select rows.parquet --out few.parquet --limit 1000 --by diverse
    truenorth data scrub rows.jsonl --out scrubbed.jsonl --key key.json    (and `restore`, with the same key)
    truenorth data decontaminate rows.jsonl --out clean.jsonl --against gsm8k=test.jsonl
    truenorth data balance rows.jsonl --group dialect --label toxic

JSONL, CSV and Parquet files are read and written in batches: a million rows need little memory. Each command says
what it dropped and why; --dropped keeps those rows.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from truenorth.base import UserError
from truenorth.cli import exits

if TYPE_CHECKING:
    from truenorth.synth.embed import Embed
    from truenorth.synth.sieve import Decide, Sifted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(
        dest="action", required=True, metavar="dedupe|select|scrub|restore|decontaminate|balance"
    )
    dedupe = _action(actions, "dedupe", "drop exact and near duplicates")
    dedupe.add_argument(
        "--near",
        type=float,
        default=0.8,
        metavar="X",
        help="similarity that is the same; above 1: exact only (0.8)",
    )
    dedupe.add_argument(
        "--shingle", type=int, default=2, metavar="N", help="words of a run that is compared (2)"
    )
    select = _action(actions, "select", "keep few rows that stand for many")
    select.add_argument("--limit", type=int, required=True, metavar="N", help="rows to keep")
    select.add_argument(
        "--by",
        choices=("diverse", "unlike", "information"),
        default="diverse",
        help="diverse: farthest first (k-centre). unlike: best first, none like one before (Deita). "
        "information: most said together",
    )
    select.add_argument("--score", metavar="COLUMN", help="numbers, higher is better (unlike, information)")
    select.add_argument(
        "--most", type=float, default=0.9, metavar="X", help="cosine above which two are alike (0.9)"
    )
    select.add_argument(
        "--embed",
        default="ngrams",
        metavar="NAME",
        help="ngrams (default), or a model's folder: mean hidden states",
    )


def _action(actions: argparse._SubParsersAction, name: str, about: str) -> argparse.ArgumentParser:
    """A subcommand that reads a file and writes another."""
    action = actions.add_parser(name, help=about)
    action.add_argument("file", type=Path, metavar="FILE", help="JSONL, CSV or Parquet")
    action.add_argument("--out", type=Path, required=True, metavar="FILE", help="where kept rows go")
    action.add_argument("--dropped", type=Path, metavar="FILE", help="where the others go, with the reason")
    action.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="NAME",
        help="what is read; repeatable (default: prompt, messages, text, instruction or question)",
    )
    action.add_argument("--quiet", "-q", action="store_true", default=argparse.SUPPRESS, help="no table")
    return action


def run(args: argparse.Namespace) -> int:
    made = {"dedupe": _dedupe, "select": _select}
    _sift(args, made[args.action](args))
    return exits.OK


def _dedupe(args: argparse.Namespace) -> Decide:
    from functools import partial

    from truenorth.synth.dedupe import duplicates

    return partial(duplicates, near=args.near, shingle=args.shingle)


def _select(args: argparse.Namespace) -> Decide:
    from truenorth.synth.sieve import select_diverse, select_information, select_unlike

    if args.limit < 1:
        raise UserError(f"{args.limit} rows", where="--limit", expected="1 or more")
    if args.score and args.by == "diverse":
        raise UserError(
            "--by diverse looks at no score", where="--score", fix="--by unlike or --by information"
        )
    embed = _embed(args.embed)
    if args.by == "diverse":
        return select_diverse(embed, args.limit)
    scores = _scores(args.file, args.score) if args.score else None
    if args.by == "unlike":
        return select_unlike(embed, args.limit, scores, most=args.most)
    return select_information(embed, args.limit, scores)


def _embed(name: str) -> Embed:
    from truenorth.synth.embed import hidden, ngrams

    if name == "ngrams":
        return ngrams
    from truenorth.models import LocalModel

    return hidden(LocalModel.load(name))


def _scores(path: Path, column: str) -> list[float | None]:
    """Numbers of a column; empty ones are no score.

    Raises:
        UserError: no such column, or a value that is no number, with its row.
    """
    from truenorth.records.batches import read_batches
    from truenorth.synth.sieve import columns_of

    columns_of(path, [column])
    scores: list[float | None] = []
    for batch in read_batches(path):
        for row in batch:
            value = row.get(column)
            try:
                scores.append(None if value in (None, "") else float(value))
            except (TypeError, ValueError) as error:
                where = f"{path}, row {len(scores)}, {column}"
                raise UserError(f"{value!r} is no number", where=where) from error
    return scores


def _sift(args: argparse.Namespace, decide: Decide) -> None:
    from truenorth.synth.sieve import columns_of, sieve

    columns = columns_of(args.file, args.column)
    done = sieve(args.file, args.out, decide, columns=columns, dropped=args.dropped)
    if not args.quiet:
        show(done, args.out)


def show(done: Sifted, out: Path) -> None:
    """What was kept and what was dropped, and why, with an example of each reason."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for name, side in (("", "left"), ("rows", "right"), ("share", "right"), ("for example", "left")):
        table.add_column(name, justify=side, no_wrap=name != "for example")  # type: ignore[arg-type]
    table.add_row("read", f"{done.rows:,}")
    table.add_row("kept", f"{done.kept:,}", _share(done.kept, done.rows), Text(str(out)))
    for reason, count in done.dropped.items():
        example = done.examples[reason]
        shown = Text(f"row {example.row:,}: {example.text}" if example.text else f"row {example.row:,}")
        table.add_row(Text(reason), f"{count:,}", _share(count, done.rows), shown)
    Console(highlight=False).print(table)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""
