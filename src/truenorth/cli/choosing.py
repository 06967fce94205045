"""`--choose` of `truenorth merge` and `truenorth edit`: settings searched under a constraint."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from truenorth.base import UserError
from truenorth.cli import exits

if TYPE_CHECKING:
    from truenorth.recipes.choose_models import Make, Search
    from truenorth.recipes.job import Job

SHIPPED = "shipped"


def add_choosing(parser: argparse.ArgumentParser) -> None:
    """The options of a search: what to try, what is to rise, what may fall, and what measures."""
    group = parser.add_argument_group(
        "choosing",
        "search settings on held-out prompts: raise one measure, lose no more of others than stated",
    )
    many: dict[str, Any] = {"action": "append", "default": []}
    group.add_argument(
        "--choose", **many, metavar="NAME=V,V,...", help="values to try; given twice, all combinations"
    )
    group.add_argument("--improve", metavar="PRINCIPLE", help="what is to rise")
    group.add_argument(
        "--limit", **many, metavar="PRINCIPLE:POINTS", help="may fall by so many points at most"
    )
    group.add_argument(
        "--against", metavar="DIR_OR_ID", help="what limits compare to (default: the edited model)"
    )
    group.add_argument("--constitution", metavar="FILE", help="measure by its `measured_by`, with --prompts")
    group.add_argument("--prompts", metavar="FILE", help="every prompt of the file is a question")
    group.add_argument(
        "--world", nargs="?", const=SHIPPED, metavar="DIR", help="measure by the oracle of a harbour"
    )
    group.add_argument("--measure", default="", metavar="openai:MODEL", help="an endpoint that measures")
    group.add_argument("--measure-url", default="", metavar="URL", help="its address")
    group.add_argument("--allow-code", action="store_true", help="run code that the constitution names")
    group.add_argument("--items", type=int, default=300, metavar="N", help="most questions a measure (300)")
    group.add_argument(
        "--rounds", type=int, default=3, metavar="N", help="the first asks 1/2^(N-1) of them (3)"
    )


def check_unchosen(args: argparse.Namespace) -> None:
    """Raise UserError for options of a search without --choose, which would do nothing."""
    for name in ("improve", "limit", "against", "constitution", "prompts", "world", "measure"):
        if getattr(args, name):
            raise UserError("nothing is searched", where=f"--{name}", fix="add --choose NAME=VALUE,VALUE,...")


def search_of(args: argparse.Namespace) -> Search:
    """What the options ask for.

    Raises:
        UserError: something is missing, or given without --choose.
    """
    from truenorth.recipes.choose import Limit
    from truenorth.recipes.choose_models import Search, grid, numbers

    if not args.improve:
        raise UserError("what is to rise?", where="--choose", fix="add --improve PRINCIPLE")
    if bool(args.world) == bool(args.constitution and args.prompts):
        raise UserError(
            "what measures?",
            where="--choose",
            expected="--constitution FILE --prompts FILE, or --world [DIR]",
        )
    values: dict[str, Any] = {}
    for text in args.choose:
        key, equals, listed = text.partition("=")
        if not equals or not key:
            raise UserError(f"{text!r} chooses nothing", where="--choose", expected="NAME=VALUE,VALUE,...")
        values[key] = numbers(listed)
    limits = tuple(Limit.parse(text) for text in args.limit)
    return Search(grid(values), args.improve, limits, rounds=args.rounds, seed=args.seed)


def chosen(
    args: argparse.Namespace,
    search: Search,
    *,
    start: str,
    identity: Any,
    make: Make,
    finish: Callable[[Mapping[str, Any]], Path],
) -> int:
    """Search, print what was found, and make the model if one was chosen; 1 if none was."""
    from truenorth.engine import Run
    from truenorth.recipes.choose_models import choose_model, told
    from truenorth.recipes.edit_models import loaded

    job = _job(args, start)
    notes = args.out.with_name(args.out.name + ".choosing")
    config = {"start": start, "job": job.config()}  # another search goes on with what this one asked
    with Run.open(notes, config=config, constitution=job.constitution.label, seeds=[args.seed]) as run:
        first = loaded(start)
        bench = job.bench(first, run)
        choice = choose_model(run, search, bench, lambda: first, make, identity=identity, quiet=args.quiet)
    print(told(choice, search))
    if choice.best is None:
        return exits.FAILED
    print(finish(choice.best.settings))
    return exits.OK


def _job(args: argparse.Namespace, start: str) -> Job:
    """The job whose bench measures; the oracle only where a world is named."""
    if args.world:
        from truenorth.recipes.harbour import harbour_job
        from truenorth.recipes.settings import Settings
        from truenorth.worlds.harbour import organism

        world = organism(folder=None if args.world == SHIPPED else args.world)
        return harbour_job(world, Settings(seed=args.seed, items=args.items))
    from truenorth.recipes.own_inputs import Own
    from truenorth.recipes.own_model import measuring_job

    judged = {name: getattr(args, name) for name in ("measure", "measure_url", "allow_code")}
    own = Own(
        start.partition("+")[0], args.constitution, args.prompts, seed=args.seed, quiet=args.quiet, **judged
    )
    return measuring_job(own, items=args.items)
