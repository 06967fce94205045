"""Align a model to a constitution, and show what it did.

    truenorth align
    truenorth align --model DIR --constitution policy.yaml --prompts prompts.jsonl --out runs/mine

Without --model it aligns the small model organism that ships inside. With it, any causal language model of
transformers: a principle is trained by its checks, else by a judge fitted on --labels, else by --judge, and
measured by what its `measured_by` names. No verdict rests on the judge that trained. Started again, it goes
on where it stopped.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from truenorth.base import UserError
from truenorth.cli import exits

if TYPE_CHECKING:
    from truenorth.recipes.job import Job

NEED_MODEL = (
    *("constitution", "prompts", "labels", "judge", "base_url", "measure", "measure_url", "max_requests"),
    *("human_text", "data"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    what = parser.add_argument_group("a model of one's own")
    what.add_argument("--model", metavar="DIR_OR_ID", help="a transformers model: a folder or a hub id")
    what.add_argument("--constitution", metavar="FILE", help="YAML or Markdown, or the name of a shipped one")
    what.add_argument("--prompts", metavar="FILE", help="JSONL, Parquet, CSV, or .txt with a prompt a line")
    what.add_argument(
        "--labels", type=Path, metavar="FILE", help="answers that people rated: prompt, completion, label"
    )
    what.add_argument("--data", type=Path, metavar="DIR", help="where files named by the constitution are")
    what.add_argument(
        "--human-text", type=Path, metavar="FILE", help="texts that people wrote, to measure on"
    )
    world = parser.add_argument_group("or the model organism (the default)")
    world.add_argument("--world", metavar="DIR", help="a world made by `truenorth world build`")
    world.add_argument("--size", default="micro", metavar="NAME", help="nano, micro (default) or mini")
    judging = parser.add_argument_group("who judges")
    judging.add_argument("--judge", default="", metavar="openai:MODEL", help="an endpoint that trains")
    judging.add_argument("--base-url", default="", metavar="URL", help="its address, as a rule ending in /v1")
    judging.add_argument(
        "--measure", default="", metavar="openai:MODEL", help="an endpoint that only measures"
    )
    judging.add_argument(
        "--measure-url", default="", metavar="URL", help="its address (default: that of --judge)"
    )
    judging.add_argument("--max-requests", type=int, metavar="N", help="ask each endpoint at most this often")
    judging.add_argument(
        "--max-losses",
        type=float,
        default=0.2,
        metavar="SHARE",
        help="share of verdicts that may be missing (default 0.2)",
    )
    judging.add_argument(
        "--insist", action="store_true", help="train on a judge even if it fails its card against the labels"
    )
    judging.add_argument("--allow-code", action="store_true", help="run code that the constitution names")
    how = parser.add_argument_group("how")
    how.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting, such as lr=1e-5"
    )
    how.add_argument("--lora", type=int, default=0, metavar="RANK", help="train adapters of this rank only")
    how.add_argument("--seed", type=int, default=0, metavar="N", help="default 0")
    how.add_argument("--out", type=Path, metavar="DIR", help="the run's folder (default: runs/NAME)")
    how.add_argument("--fresh", action="store_true", help="start again; what the run left there is deleted")
    how.add_argument("--dry-run", action="store_true", help="check everything, say what would be done, stop")


def run(args: argparse.Namespace) -> int:
    """Align, write the report, and return 0 if its verdict is good, else 1."""
    job, plan = _own(args) if args.model else _organism(args)
    from truenorth.recipes.training import objective

    objective(job.settings)  # refused here, before anything is sampled
    job = replace(job, insist=args.insist)
    if args.dry_run:
        print(plan)
        return exits.OK
    import warnings

    from rich.console import Console
    from transformers.utils import logging

    from truenorth.engine import Run
    from truenorth.recipes.align import align
    from truenorth.report import console_table

    logging.disable_progress_bar()
    warnings.filterwarnings(
        "ignore", "the model's chat template has no place for a system turn"
    )  # in the report
    out = _out(args, job)
    label, seeds = job.constitution.label, [job.settings.seed]
    with Run.open(out, config=job.config(), resume=not args.fresh, constitution=label, seeds=seeds) as opened:
        report = align(job, opened, quiet=args.quiet)
    console = Console()
    console.print(console_table(report))
    told = f"report  {out / 'report.html'}\nmodel   {out / 'model'}"
    console.print(told, soft_wrap=True, highlight=False, markup=False)
    return exits.OK if report["verdict"]["passed"] else exits.FAILED


def _own(args: argparse.Namespace) -> tuple[Job, str]:
    """The job on the model that was given, and what would be done."""
    for option in ("constitution", "prompts"):
        if not getattr(args, option):
            raise UserError(f"--model needs --{option}", fix="see truenorth align --help")
    from truenorth.recipes.forecast import description
    from truenorth.recipes.own_inputs import Own, ready
    from truenorth.recipes.own_model import own_job

    same = "model constitution prompts labels judge base_url measure measure_url human_text data lora seed"
    same += " max_requests max_losses allow_code quiet"
    given: dict[str, Any] = {name: getattr(args, name) for name in same.split()}
    made = ready(Own(**given, given=tuple(args.set)))
    job = own_job(made)
    return job, description(made, _place(args, job)) if args.dry_run else ""


def _organism(args: argparse.Namespace) -> tuple[Job, str]:
    """The job on the shipped organism, or on one of --world, and what would be done."""
    alone = [name for name in NEED_MODEL if getattr(args, name) not in (None, "")]
    if alone:
        option = alone[0].replace("_", "-")
        raise UserError(f"--{option} needs --model", fix="without --model, the shipped organism is aligned")
    from truenorth.recipes.harbour import harbour_job
    from truenorth.recipes.overrides import with_overrides
    from truenorth.recipes.settings import Settings
    from truenorth.worlds.harbour import organism

    settings = with_overrides(Settings(seed=args.seed, lora_rank=args.lora), args.set)
    job = harbour_job(organism(args.size, args.world), settings)
    lines = [
        f"model         {job.name}, the organism of {args.world or 'the shipped harbour'}",
        f"constitution  {job.constitution.label}",
        f"prompts       {settings.prompts:,} that the model asks itself, and {settings.held_prompts} more",
        f"training      {settings.objective}, {settings.steps} steps of {settings.batch}",
        f"measuring     {settings.items} held-out questions a principle, near and far, judged by the oracle",
        f"would write   {_place(args, job) if args.dry_run else ''}",
    ]
    return job, "\n".join(lines)


def _out(args: argparse.Namespace, job: Job) -> Path:
    return args.out or Path("runs") / job.name


def _place(args: argparse.Namespace, job: Job) -> str:
    """Where the run would be, and what it would find there."""
    from truenorth.engine import foreseen

    return foreseen(_out(args, job), config=job.config(), resume=not args.fresh)
