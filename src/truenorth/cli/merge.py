"""Merge models into one, by mergekit's YAML: a plan is checked first, then weights are streamed.

    truenorth merge soup.yaml runs/soup
    truenorth merge soup.yaml runs/soup --dry-run      what would be read, written and held in memory

Models are folders, hub ids, or either with a LoRA (`base+lora`). The same command goes on after an interruption.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from truenorth.cli import exits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", type=Path, help="YAML as mergekit takes it")
    parser.add_argument("out", metavar="OUT", type=Path, help="the result's folder; must not exist")
    parser.add_argument("--dry-run", action="store_true", help="check everything, predict, write nothing")
    parser.add_argument(
        "--device", default="cpu", metavar="NAME", help="where to compute: cpu (default) or cuda"
    )
    parser.add_argument("--max-shard-size", default="5GB", metavar="SIZE", help="of one file (default 5GB)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of random methods (default 0)")
    parser.add_argument("--threads", type=int, metavar="N", help="default: the cores, at most 8")


def run(args: argparse.Namespace) -> int:
    from truenorth.edit.config import read_config
    from truenorth.edit.plan import make_plan
    from truenorth.edit.stream import merge, predicted

    plan = make_plan(read_config(args.config), max_shard_size=args.max_shard_size)
    if args.dry_run:
        for name, value in predicted(plan, args.threads):
            print(f"{name:<12} {value}")
        return exits.OK
    if not args.quiet:
        for note in plan.notes:
            print(f"note: {note}")
    how = {"seed": args.seed, "device": args.device, "threads": args.threads, "quiet": args.quiet}
    print(merge(plan, args.out, **how))
    return exits.OK
