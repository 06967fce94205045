"""Clean and choose training rows, file to file: duplicates, diversity, personal data, evaluations, toxicity, balance.

    truenorth data dedupe rows.jsonl --out clean.jsonl
    truenorth data select rows.parquet --out few.parquet --limit 1000 --by diverse
    truenorth data scrub rows.jsonl --out scrubbed.jsonl --key key.json    (and `restore`, with the same key)
    truenorth data decontaminate rows.jsonl --out clean.jsonl --against gsm8k=test.jsonl
    truenorth data toxic rows.jsonl --out clean.jsonl --labels some.jsonl --label toxic
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

    Actions = argparse._SubParsersAction[argparse.ArgumentParser]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    actions = parser.add_subparsers(
        dest="action", required=True, metavar="dedupe|select|scrub|restore|decontaminate|index|toxic|balance"
    )
    _dedupe_options(actions)
    _select_options(actions)
    _scrub_options(actions)
    _evaluations_options(actions)
    _index_options(actions)
    _toxic_options(actions)
    _balance_options(actions)


def _dedupe_options(actions: Actions) -> None:
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


def _select_options(actions: Actions) -> None:
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


def _scrub_options(actions: Actions) -> None:
    scrub = _action(actions, "scrub", "replace personal data by stand-ins", dropped=False)
    restore = _action(actions, "restore", "take stand-ins back", dropped=False)
    for action, how in ((scrub, "made if it is not there, else added to"), (restore, "that `scrub` wrote")):
        action.add_argument(
            "--key", type=Path, required=True, metavar="FILE", help=f"the key, {how}; keep it apart"
        )
    scrub.add_argument(
        "--kinds", metavar="NAMES", help="some of email,key,iban,card,ssn,ip,phone (default: all)"
    )
    scrub.add_argument("--names", type=Path, metavar="FILE", help="names to replace as well, one a line")


def _evaluations_options(actions: Actions) -> None:
    clean = _action(actions, "decontaminate", "drop rows that repeat evaluations or protected texts")
    clean.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="an evaluation; repeatable; NAME:COLUMN=FILE",
    )
    clean.add_argument("--heldout", type=Path, metavar="FILE", help="a list of hashes that are held out")
    clean.add_argument(
        "--copyright", type=Path, metavar="FOLDER", help="an index of protected texts (`data index`)"
    )


def _index_options(actions: Actions) -> None:
    index = actions.add_parser("index", help="index protected texts, for decontaminate --copyright")
    index.add_argument("file", nargs="+", metavar="NAME=FILE", help="texts: .txt, or a table's text column")
    index.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    index.add_argument("--words", type=int, default=13, metavar="N", help="of a run (13)")
    _quiet_option(index)


def _toxic_options(actions: Actions) -> None:
    toxic = _action(actions, "toxic", "drop toxic rows, by a filter that learns from some hundred labels")
    toxic.add_argument("--labels", type=Path, required=True, metavar="FILE", help="rows with a label")
    toxic.add_argument(
        "--label", default="toxic", metavar="COLUMN", help="true or false, 1 or 0, yes or no (toxic)"
    )
    toxic.add_argument(
        "--labels-column", metavar="NAME", help="the text of the labels' rows (default: as --column's)"
    )
    toxic.add_argument(
        "--recall", type=float, default=0.9, metavar="X", help="share of toxic texts to flag (0.9)"
    )
    toxic.add_argument(
        "--learn", type=int, default=20_000, metavar="N", help="rows of FILE to learn from, too (20000)"
    )
    toxic.add_argument("--seed", type=int, default=0, help="which labels are held out (0)")


def _balance_options(actions: Actions) -> None:
    even = actions.add_parser("balance", help="who is in the data, and how each group is labelled")
    even.add_argument("file", type=Path, metavar="FILE", help="JSONL, CSV or Parquet")
    even.add_argument("--group", required=True, metavar="COLUMN", help="whose values are the groups")
    even.add_argument("--label", metavar="COLUMN", help="true or false, 1 or 0, yes or no")
    even.add_argument(
        "--population", type=Path, metavar="FILE", help="JSON: the share each group should have"
    )
    even.add_argument("--out", type=Path, metavar="FILE", help="also write the numbers there, as JSON")
    _quiet_option(even)


def _action(actions: Actions, name: str, about: str, *, dropped: bool = True) -> argparse.ArgumentParser:
    """A subcommand that reads a file and writes another."""
    action = actions.add_parser(name, help=about)
    action.add_argument("file", type=Path, metavar="FILE", help="JSONL, CSV or Parquet")
    action.add_argument("--out", type=Path, required=True, metavar="FILE", help="where rows go")
    if dropped:
        action.add_argument(
            "--dropped", type=Path, metavar="FILE", help="where dropped rows go, with the reason"
        )
    action.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="NAME",
        help="what is read; repeatable (default: prompt, messages, text, instruction or question)"
        if dropped
        else "what is changed; repeatable (default: every text)",
    )
    _quiet_option(action)
    return action


def _quiet_option(action: argparse.ArgumentParser) -> None:
    action.add_argument("--quiet", "-q", action="store_true", default=argparse.SUPPRESS, help="no table")


def run(args: argparse.Namespace) -> int:
    """Do what the command line says; returns the exit status."""
    if args.action in ("scrub", "restore"):
        from truenorth.cli.data_scrub import run_scrub

        return run_scrub(args)
    if args.action == "index":
        from truenorth.cli.data_copies import run_index

        return run_index(args)
    if args.action == "balance":
        from truenorth.cli.data_balance import run_balance

        return run_balance(args)
    deciders = {"dedupe": _dedupe, "select": _select, "decontaminate": _decontaminate, "toxic": _toxic}
    _sift(args, deciders[args.action](args))
    return exits.OK


def _decontaminate(args: argparse.Namespace) -> Decide:
    from truenorth.cli.data_copies import decider

    return decider(args)


def _toxic(args: argparse.Namespace) -> Decide:
    from truenorth.cli.data_toxic import decider

    return decider(args)


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
