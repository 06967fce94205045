"""Run a recipe: a published system as a short chain of steps.

    truenorth run --list
    truenorth run constitutional-ai
    truenorth run magpie --set answers.n=4 --budget 5m
    truenorth run mine.yaml --model DIR --constitution policy.yaml --prompts prompts.jsonl --labels rated.jsonl

A recipe aligns the shipped model organism unless --model says what else. Started again, it goes on where it
stopped; so does a run whose budget was spent.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from truenorth.cli import exits

if TYPE_CHECKING:
    from truenorth.recipes.run_job import Ordered


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="a name of --list, or a YAML file")
    parser.add_argument("--list", action="store_true", help="the shipped recipes, one name a line")
    add_what(parser)
    how = parser.add_argument_group("how")
    how.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="STEP.KEY=VALUE",
        help="change a step's setting, or KEY=VALUE of all",
    )
    how.add_argument(
        "--budget", metavar="TIME_OR_N", help="10m, or '500 requests'; what was made until then is kept"
    )
    how.add_argument("--lora", type=int, default=0, metavar="RANK", help="train adapters of this rank only")
    how.add_argument("--seed", type=int, default=0, metavar="N", help="default 0")
    how.add_argument("--out", type=Path, metavar="DIR", help="the run's folder (default: runs/RECIPE)")
    how.add_argument("--fresh", action="store_true", help="start again; what the run left there is deleted")
    how.add_argument("--dry-run", action="store_true", help="check everything, say what it would cost, stop")


def add_what(parser: argparse.ArgumentParser) -> None:
    """What is aligned, to what, and who answers and judges."""
    what = parser.add_argument_group("what")
    what.add_argument("--model", metavar="DIR_OR_ID", help="a transformers model; default: the recipe's")
    what.add_argument("--constitution", metavar="FILE", help="YAML or Markdown, or the name of a shipped one")
    what.add_argument("--prompts", metavar="FILE", help="JSONL, Parquet, CSV, or .txt with a prompt a line")
    what.add_argument("--labels", type=Path, metavar="FILE", help="answers that people rated")
    what.add_argument("--world", metavar="DIR", help="a world made by `truenorth world build`")
    who = parser.add_argument_group("who answers and judges")
    who.add_argument(
        "--sampler", metavar="MODEL", help="who answers in sampling steps: a folder, id or openai:MODEL"
    )
    who.add_argument("--sampler-url", default="", metavar="URL", help="its address, for an endpoint")
    who.add_argument(
        "--use",
        action="append",
        default=[],
        metavar="NAME=MODEL",
        help="another model for one the recipe names",
    )
    who.add_argument("--judge", default="", metavar="openai:MODEL", help="an endpoint that trains")
    who.add_argument("--base-url", default="", metavar="URL", help="its address, as a rule ending in /v1")
    who.add_argument("--measure", default="", metavar="openai:MODEL", help="an endpoint that only measures")
    who.add_argument(
        "--measure-url", default="", metavar="URL", help="its address (default: that of --judge)"
    )
    who.add_argument("--insist", action="store_true", help="train on a judge even if it fails its card")
    who.add_argument("--allow-code", action="store_true", help="run code that constitution or recipe names")


def run(args: argparse.Namespace) -> int:
    """Run the recipe, write the report, and return 0 if its verdict is good, else 1."""
    from truenorth.recipes.run_recipe import read_recipe, recipe_names

    if args.list:
        print("\n".join(recipe_names()))
        return exits.OK
    from truenorth.base import UserError

    if not args.recipe:
        raise UserError("which recipe?", fix="truenorth run --list names them; or give a file")
    recipe = read_recipe(args.recipe)
    from truenorth.recipes.run_job import ordered

    order = ordered(recipe, args)
    if args.dry_run:
        from truenorth.recipes.run_forecast import description

        print(description(order, resume=not args.fresh))
        return exits.OK
    return _run(order, args)


def _run(order: Ordered, args: argparse.Namespace) -> int:
    import warnings

    from rich.console import Console
    from transformers.utils import logging

    from truenorth.engine import Run
    from truenorth.recipes.run import run_recipe
    from truenorth.recipes.run_budget import OutOfBudget
    from truenorth.report import console_table

    logging.disable_progress_bar()
    warnings.filterwarnings(
        "ignore", "the model's chat template has no place for a system turn"
    )  # in the report
    job, out = order.job, order.out
    opening = {"constitution": job.constitution.label, "seeds": [job.settings.seed]}
    try:
        with Run.open(out, config=order.config(), resume=not args.fresh, **opening) as opened:
            report = run_recipe(
                order.recipe,
                order.steps,
                job,
                opened,
                named=order.named,
                budget=order.budget,
                quiet=args.quiet,
            )
    except OutOfBudget as spent:
        print(
            f"truenorth: {spent}; what was made is kept in {out}, and the same command goes on",
            file=sys.stderr,
        )
        return exits.INTERRUPTED
    console = Console()
    console.print(console_table(report))
    told = f"report  {out / 'report.html'}\nmodel   {out / 'model'}"
    console.print(told, soft_wrap=True, highlight=False, markup=False)
    return exits.OK if report["verdict"]["passed"] else exits.FAILED
