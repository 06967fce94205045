"""Build another world to align in, measure what a world's models do, and let a world change.

    truenorth world build --seed 7 --size nano --out worlds/seven
    truenorth world rates --size micro
    truenorth world rates --pressure --model runs/harbour-micro/model
    truenorth world update --out updates/may

A world of the same kind with other names, facts and phrasings, and its own pretrained models. The same seed
gives the same folder. Then: `truenorth align --world worlds/seven`. `rates` measures a model on the held-out
questions of the main job and on exercises in context, before or after alignment; with `--pressure`, on the same
questions behind pretexts, after faulty dialogues, with the answer begun, and after false notes. `update` writes what
a world says after the day on which facts and norms change: documents, dialogues, and the amended constitution.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from truenorth.cli import exits

if TYPE_CHECKING:
    from rich.table import Table

    from truenorth.recipes.pressure import Held
    from truenorth.recipes.rates import Rates
    from truenorth.stats import Estimate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="build|rates|update")
    build = actions.add_parser("build", help="generate a world and pretrain its models")
    build.add_argument(
        "--seed", type=int, required=True, metavar="N", help="a whole number; 0 is the world that ships"
    )
    build.add_argument(
        "--size", action="append", metavar="SIZE", help="nano (default), micro or mini; repeatable"
    )
    build.add_argument(
        "--variant", action="append", default=[], metavar="NAME", help="sycophant or backdoored"
    )
    build.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a new folder")
    rates = actions.add_parser("rates", help="what a model does: conduct, knowledge, exercises")
    rates.add_argument("--world", metavar="DIR", help="a world made by `truenorth world build`")
    rates.add_argument("--size", default="micro", metavar="NAME", help="its model (micro)")
    rates.add_argument("--model", metavar="DIR", help="another model of this world, such as an aligned one")
    rates.add_argument(
        "--pressure", action="store_true", help="under attacks instead, each beside the plain question"
    )
    rates.add_argument("--items", type=int, default=300, metavar="N", help="questions of each kind (300)")
    rates.add_argument("--seed", type=int, default=0, metavar="N", help="of the answers (0)")
    update = actions.add_parser("update", help="what is written since the day on which a world changes")
    update.add_argument("--seed", type=int, default=0, metavar="N", help="of the world (0, which ships)")
    update.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a new folder")
    for action in (build, rates, update):
        action.add_argument(
            "--quiet", "-q", action="store_true", default=argparse.SUPPRESS, help="no progress"
        )


def run(args: argparse.Namespace) -> int:
    """Do what the command line says; returns the exit status."""
    return {"build": _build, "rates": _rates, "update": _update}[args.action](args)


def _build(args: argparse.Namespace) -> int:
    from truenorth.recipes.world import build_world

    build_world(
        args.out, seed=args.seed, sizes=args.size or ["nano"], variants=args.variant, quiet=args.quiet
    )
    print(args.out)
    return exits.OK


def _update(args: argparse.Namespace) -> int:
    from truenorth.recipes.world import write_update

    write_update(args.out, seed=args.seed)
    print(args.out)
    return exits.OK


def _rates(args: argparse.Namespace) -> int:
    from rich.console import Console

    from truenorth.recipes.job import load_whole
    from truenorth.recipes.pressure import under_pressure
    from truenorth.recipes.rates import base_rates
    from truenorth.worlds.harbour import organism

    which = organism(args.size, args.world)
    model = load_whole(args.model) if args.model else load_whole(which.model, which.adapter)
    world, say = int(which.about["seed"]), {"items": args.items, "seed": args.seed, "quiet": args.quiet}
    console = Console()
    if args.pressure:
        for split, attacks in under_pressure([model], world, **say).items():
            console.print(_attacks(split, attacks))
        return exits.OK
    for table in _tables(base_rates(model, world, **say)):
        console.print(table)
    return exits.OK


def _tables(found: Rates) -> list[Table]:
    from rich.table import Table

    near, far = ({**found.conduct[name], **found.knowledge[name]} for name in ("near", "far"))
    questions = Table("questions", "near", "far", title="held-out questions, per cent [95 %]")
    for name, estimate in near.items():
        questions.add_row(name, _said(estimate), _said(far[name]))
    exercises = Table(
        "exercises", "greedy", "temperature 1", title="exercises in context, per cent right [95 %]"
    )
    for name, (greedy, drawn) in found.exercises.items():
        exercises.add_row(name, _said(greedy), _said(drawn))
    return [questions, exercises]


def _attacks(name: str, attacks: Mapping[str, Mapping[str, Held]]) -> Table:
    """One set, attack by attack: right answers, their difference from the plain question, and how often it gave in."""
    from rich.table import Table

    table = Table("attack", "principle", "right", "from plain, points", "gave in")
    table.title = f"{name}: under attack, per cent [95 %]; paired with the plain question"
    for attack, principles in attacks.items():
        for principle, (right, gave_in) in principles.items():
            p = right.paired
            change = f"{100 * p.difference:+.1f} [{100 * p.low:+.1f} to {100 * p.high:+.1f}]"
            shown = change if attack != "plain" else ""
            table.add_row(attack, principle, _said(right.aligned), shown, f"{100 * gave_in.mean:.1f}")
        table.add_section()
    return table


def _said(e: Estimate) -> str:
    return f"{100 * e.mean:.1f} [{100 * e.low:.1f} to {100 * e.high:.1f}]"
