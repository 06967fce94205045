"""Which of several systems is better, from anybody's result files.

    truenorth compare runs/a runs/b                    our runs
    truenorth compare a.json b.json --html page.html   inspect, lm-eval, AlpacaEval, arena-hard, HarmBench, garak, CSV
    truenorth compare a.csv b.csv --require non-inferior:helpful:2pp

Systems are paired by item; every one is held against the first. With --require the exit status is 1 unless
every claim is shown: a claim that the items cannot decide is not met.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from truenorth.base import UserError
from truenorth.cli import exits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument(
        "files", metavar="FILE", nargs="+", help="result files or folders, one or more systems each"
    )
    parser.add_argument(
        "--metric", action="append", default=[], metavar="NAME", help="only this metric (repeatable)"
    )
    parser.add_argument(
        "--lower", action="append", default=[], metavar="NAME", help="a metric of which less is better"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="SYSTEM", help="only this system, in this order"
    )
    parser.add_argument("--all-pairs", action="store_true", help="every pair, not only against the first")
    parser.add_argument(
        "--require",
        action="append",
        default=[],
        metavar="CLAIM",
        help="exit 1 unless shown: non-inferior:METRIC:2pp, equivalent:METRIC:2pp, superior:METRIC",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with plots there")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of permutation tests (default 0)")


def run(args: argparse.Namespace) -> int:
    """Compare, print, and return 1 if a required claim is not shown."""
    from truenorth.measure.readers import read_results
    from truenorth.recipes.compare import compare_results
    from truenorth.recipes.compare_gate import claim_of, decide

    claims = [claim_of(text) for text in args.require]
    results = [result for path in args.files for result in read_results(path)]
    if args.only:
        known = {result.system: result for result in results}
        if missing := [name for name in args.only if name not in known]:
            raise UserError(
                f"no system {missing[0]!r}", where="--only", expected=f"one of {', '.join(known)}"
            )
        results = [known[name] for name in args.only]
    how = {"metrics": args.metric, "lower": args.lower, "every_pair": args.all_pairs, "seed": args.seed}
    compared = compare_results(results, **how)
    decisions = decide(claims, compared)
    if args.json:
        told = [{**d._asdict(), "claim": d.claim._asdict()} for d in decisions]
        print(json.dumps(compared.to_dict() | {"claims": told}, indent=2, ensure_ascii=False))
    else:
        _print(compared, [d.sentence for d in decisions])
    if args.html:
        from truenorth.recipes.compare_page import write_compare_page

        written = write_compare_page(args.html, compared, decisions)
        if not args.json:
            print(f"page  {written}")
    return exits.OK if all(d.met for d in decisions) else exits.FAILED


def _print(compared: object, sentences: list[str]) -> None:
    from truenorth.recipes import compare_table as words
    from truenorth.report.screen import screen

    console = screen()
    console.print(words.pairs_table(compared))  # type: ignore[arg-type]
    for pair in compared.pairs:  # type: ignore[attr-defined]
        if (table := words.slices_table(pair)) is not None:
            console.print()
            console.print(table)
    for line in [*words.remarks(compared), *sentences]:  # type: ignore[arg-type]
        console.print(line, markup=False, highlight=False)
