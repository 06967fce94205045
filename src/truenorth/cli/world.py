"""Build another world to align in: other names, facts and phrasings.

    truenorth world build --seed 7 --size nano --out worlds/seven

A world of the same kind with other names, facts and phrasings, and its own pretrained models. The same seed
gives the same folder. Then: `truenorth align --world worlds/seven`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from truenorth.cli import exits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="build")
    build = actions.add_parser("build", help="generate a world and pretrain its models")
    build.add_argument("--seed", type=int, required=True, help="a whole number; 0 is the world that ships")
    build.add_argument(
        "--size", action="append", metavar="SIZE", help="nano (default), micro or mini; repeatable"
    )
    build.add_argument(
        "--variant", action="append", default=[], metavar="NAME", help="sycophant or backdoored"
    )
    build.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a new folder")
    build.add_argument("--quiet", "-q", action="store_true", default=argparse.SUPPRESS, help="no progress")


def run(args: argparse.Namespace) -> int:
    from truenorth.recipes.world import build_world

    build_world(
        args.out, seed=args.seed, sizes=args.size or ["nano"], variants=args.variant, quiet=args.quiet
    )
    print(args.out)
    return exits.OK
