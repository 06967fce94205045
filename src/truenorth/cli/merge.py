"""Merge models into one, by mergekit's YAML: a plan is checked first, then weights are streamed.

    truenorth merge soup.yaml runs/soup
    truenorth merge soup.yaml runs/soup --dry-run      what would be read, written and held in memory

Models are folders, hub ids, or either with a LoRA (`base+lora`). The same command goes on after an interruption. With
--choose, places in the YAML (`parameters.t`, `models[1].parameters.weight`) are searched on held-out prompts.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from truenorth.base import UserError
from truenorth.cli import exits
from truenorth.cli.choosing import add_choosing, check_unchosen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The configuration, the result's folder, and how it is written."""
    parser.add_argument("config", metavar="CONFIG", type=Path, help="YAML as mergekit takes it")
    parser.add_argument("out", metavar="OUT", type=Path, help="the result's folder; must not exist")
    parser.add_argument("--dry-run", action="store_true", help="check everything, predict, write nothing")
    parser.add_argument(
        "--device", default="cpu", metavar="NAME", help="where to compute: cpu (default) or cuda"
    )
    parser.add_argument("--max-shard-size", default="5GB", metavar="SIZE", help="of one file (default 5GB)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of random methods (default 0)")
    parser.add_argument("--threads", type=int, metavar="N", help="default: the cores, at most 8")
    add_choosing(parser)


def run(args: argparse.Namespace) -> int:
    """Predict, search settings, or merge and print the result's folder."""
    from truenorth.edit.config_reader import read_config
    from truenorth.edit.memory import keep_memory
    from truenorth.edit.planning import make_plan
    from truenorth.edit.prediction import predicted
    from truenorth.edit.recipe import check_free
    from truenorth.edit.stream import merge

    keep_memory()
    if args.choose:
        return _choose(args)
    check_unchosen(args)
    plan = make_plan(read_config(args.config), max_shard_size=args.max_shard_size)
    if args.dry_run:
        check_free(args.out)
        for name, value in predicted(plan, args.threads):
            print(f"{name:<12} {value}")
        return exits.OK
    if not args.quiet:
        for note in plan.notes:
            print(f"note: {note}")
    how = {"seed": args.seed, "device": args.device, "threads": args.threads, "quiet": args.quiet}
    print(merge(plan, args.out, **how))
    return exits.OK


def _choose(args: argparse.Namespace) -> int:
    """Search the places of the YAML that --choose names."""
    from truenorth.cli.choosing import chosen, search_of
    from truenorth.edit.config_reader import parse, read_config
    from truenorth.edit.plan import Plan
    from truenorth.edit.planning import make_plan
    from truenorth.edit.recipe import recipe_of
    from truenorth.edit.stream import merge

    search = search_of(args)
    first = read_config(args.config)

    def planned(settings: Mapping[str, Any]) -> Plan:
        text = with_places(first.text, settings)
        return make_plan(parse(text, file=str(args.config)), max_shard_size=args.max_shard_size)

    def made(settings: Mapping[str, Any], place: Path) -> Path:
        how = {"seed": args.seed, "device": args.device, "threads": args.threads}
        return merge(planned(settings), place, **how)

    plans = [planned(settings) for settings in search.candidates]  # so all are checked first
    if args.dry_run:
        print(f"{len(plans)} candidates, {args.rounds} rounds, at most {args.items} questions a measure")
        return exits.OK
    start = args.against or str(first.base or first.slices[0].inputs[0].model)
    identity = [first.text, recipe_of(plans[0], args.seed)["models"], start]
    return chosen(
        args, search, start=start, identity=identity, make=made, finish=lambda best: made(best, args.out)
    )


def with_places(text: str, settings: Mapping[str, Any]) -> str:
    """YAML with other values at some places, such as `models[1].parameters.weight`.

    Raises:
        UserError: no such list or entry on the way.
    """
    import yaml

    data = yaml.safe_load(text)
    for place, value in settings.items():
        *way, last = re.findall(r"[^.\[\]]+", place)
        here: Any = data
        for step in way:
            if isinstance(here, list) and step.isdigit() and int(step) < len(here):
                here = here[int(step)]
            elif isinstance(here, dict):
                here = here.setdefault(step, {})
            else:
                expected = "a place such as parameters.t or models[1].parameters.weight"
                raise UserError(f"no {place!r} in the configuration", where="--choose", expected=expected)
        if not isinstance(here, dict):
            raise UserError(
                f"{place!r} is no setting", where="--choose", expected="a place that ends in a name"
            )
        here[last] = value
    return str(yaml.safe_dump(data, sort_keys=False))
