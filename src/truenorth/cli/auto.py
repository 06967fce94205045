"""Search recipes and objectives by successive halving, and show those that no other beats.

    truenorth auto --budget 30m
    truenorth auto --recipes magpie rlcd constitutional-ai --objectives dpo ipo --rounds 2
    truenorth auto --model DIR --constitution policy.yaml --prompts prompts.jsonl --labels rated.jsonl --budget 4h

Each round runs the candidates that are left at twice the size and keeps the better half, judged on prompts that none
learned from. The answer is a set: what none of the others beats on helpful, honest, harmless, tax and cost together.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from truenorth.base import UserError
from truenorth.cli import exits

MOST_ROUNDS = 8  # the first would run at 1/128 of the recipes' sizes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("--recipes", nargs="+", default=[], metavar="NAME", help="default: all that can run")
    parser.add_argument(
        "--objectives",
        nargs="+",
        default=[],
        metavar="NAME",
        help="tried in the place of a recipe's own, such as ipo",
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="default 3")
    parser.add_argument(
        "--held", type=int, default=150, metavar="N", help="prompts that judge in the first round (150)"
    )
    parser.add_argument("--budget", metavar="TIME", help="for all rounds together; sizes are cut to fit it")
    parser.add_argument(
        "--fresh", action="store_true", help="start again; what a search left there is deleted"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, say what it would run, and stop"
    )
    what = parser.add_argument_group("what is aligned")
    what.add_argument(
        "--model", metavar="DIR_OR_ID", help="a transformers model; default: the shipped organism"
    )
    what.add_argument("--size", default="micro", metavar="NAME", help="of the organism (default micro)")
    what.add_argument("--constitution", metavar="FILE", help="YAML or Markdown, or the name of a shipped one")
    what.add_argument("--prompts", metavar="FILE", help="prompts to learn from and to judge on")
    what.add_argument("--labels", type=Path, metavar="FILE", help="answers that people rated")
    what.add_argument("--judge", default="", metavar="openai:MODEL", help="an endpoint that judges")
    what.add_argument("--base-url", default="", metavar="URL", help="its address, as a rule ending in /v1")
    what.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting of all recipes"
    )
    what.add_argument("--seed", type=int, default=0, metavar="N", help="default 0")
    what.add_argument("--out", type=Path, metavar="DIR", help="default: runs/auto")


def run(args: argparse.Namespace) -> int:
    """Do what the command line says; returns the exit status."""
    if not 1 <= args.rounds <= MOST_ROUNDS:
        raise UserError(
            f"{args.rounds}", where="--rounds", expected=f"1 to {MOST_ROUNDS}: sizes double each time"
        )
    if args.held < 20:
        raise UserError(f"{args.held}", where="--held", expected="20 or more")
    for name in ("recipes", "objectives"):
        if twice := [one for one, many in Counter(getattr(args, name)).items() if many > 1]:
            raise UserError(f"{twice[0]} twice", where=f"--{name}", expected="each once")
    if args.model and not (args.constitution and args.prompts):
        raise UserError("--model needs --constitution and --prompts", fix="see truenorth auto --help")
    from rich.console import Console
    from transformers.utils import logging

    from truenorth.recipes.auto import halve
    from truenorth.recipes.auto_inputs import description, ground, notes_of, out_of, start_again
    from truenorth.recipes.auto_page import table, write

    logging.disable_progress_bar()
    args.out = out_of(args)
    shared, found, left = ground(args)
    if args.dry_run:
        print(description(shared, found, left))
        return exits.OK
    if args.fresh:
        start_again(shared.out)
    if left:
        print(f"no room in the budget: {', '.join(left)}", file=sys.stderr)
    search = halve(found, shared.make, rounds=args.rounds, say=_quietly if args.quiet else print)
    page = write(search, shared.out, notes_of(shared, args, left))
    Console().print(table(search))
    print(page)
    if search.spent:
        print(
            f"truenorth: {search.spent}; what was made is kept, and the same command goes on", file=sys.stderr
        )
        return exits.INTERRUPTED
    return exits.OK if search.front else exits.FAILED


def _quietly(text: str) -> None:
    """Says nothing."""
