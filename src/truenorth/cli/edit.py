"""Repair or probe a model's alignment by editing its weights, without training it again.

    truenorth edit --list
    truenorth edit resta --model tuned --aligned base --unaligned harmful --set gamma=0.5 --out repaired
    truenorth edit low_bit --model base --out small --dry-run

Statistics that an edit needs are files, or computed here: --with safety=snip:refusals.jsonl. With --choose the
settings are searched under a constraint, on held-out prompts; see the page on restoring.
"""

from __future__ import annotations

import argparse
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from truenorth.base import UserError
from truenorth.cli import exits
from truenorth.cli.choosing import add_choosing, check_unchosen

if TYPE_CHECKING:
    from truenorth.edit.safety import Edit, EditPlan

ROLES = ("model", "aligned", "base", "unaligned", "enhanced", "relaxed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The edit, the models by their role, its settings and statistics, and how it is written."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "method", nargs="?", metavar="METHOD", help="see --list; METHOD --list says all about one"
    )
    parser.add_argument("--list", action="store_true", help="the edits, one a line, or all about one of them")
    for role in ROLES:
        many: dict[str, Any] = {"action": "append", "default": []} if role == "model" else {}
        parser.add_argument(f"--{role}", metavar="DIR_OR_ID", help=_role(role), **many)
    parser.add_argument("--out", type=Path, metavar="DIR", help="the result's folder; must not exist")
    add: dict[str, Any] = {"action": "append", "default": [], "metavar": "NAME=VALUE"}
    parser.add_argument("--set", **add, help="a setting of the edit")
    parser.add_argument(
        "--with", dest="statistics", **add, help="a statistic: FILE.safetensors or KIND:ROWS.jsonl"
    )
    parser.add_argument(
        "--only", default="", metavar="REGEX", help="edit tensors whose name this is found in"
    )
    parser.add_argument(
        "--adapter", action="store_true", help="safe_lora on a LoRA folder: the result is one too"
    )
    parser.add_argument("--dry-run", action="store_true", help="check everything, predict, write nothing")
    parser.add_argument("--max-shard-size", default="5GB", metavar="SIZE", help="of one file (default 5GB)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of random edits (default 0)")
    parser.add_argument("--threads", type=int, metavar="N", help="default: the cores, at most 8")
    add_choosing(parser)


def _role(role: str) -> str:
    """What a role is, without importing what edits."""
    return {
        "model": "the model to edit; a LoRA folder or base+lora too; several where the edit takes several",
        "aligned": "the aligned model that it was trained from",
        "base": "what the aligned model was before its alignment",
        "unaligned": "the aligned model after training on harmful answers",
        "enhanced": "the model after gradient ascent on harmful answers",
        "relaxed": "the model after gradient descent on harmful answers",
    }[role]


def run(args: argparse.Namespace) -> int:
    """List, predict, search settings, or edit and print the result's folder."""
    if args.list or args.method is None:
        print(_card(args.method) if args.method else listing())
        return exits.OK
    from truenorth.edit.memory import keep_memory
    from truenorth.edit.recipe import check_free
    from truenorth.edit.safety import edit

    edit(args.method)  # an unknown one is told before what it would need
    if not args.out and not args.dry_run:
        raise UserError("no --out", where="edit", fix="add --out DIR, or --dry-run")

    keep_memory()
    settings = {key: _value(text) for key, text in (_pair(one, "--set") for one in args.set)}
    if args.choose:
        return _choose(args, settings)
    check_unchosen(args)
    if args.dry_run and args.out:
        check_free(args.out)
    if args.adapter:
        return _adapter(args, settings)
    made = planned(args, settings)
    if args.dry_run:
        from truenorth.edit.prediction import predicted

        for name, value in [*predicted(made.plan, args.threads), *_told(made)]:
            print(f"{name:<12} {value}")
        return exits.OK
    print(carried_out(args, made, args.out, quiet=args.quiet))
    if not args.quiet:
        for name, value in _told(made):
            print(f"{name}  {value}")
    return exits.OK


def _adapter(args: argparse.Namespace, settings: dict[str, Any]) -> int:
    """Safe LoRA whose result is an adapter; the plan checks names, settings and shapes first."""
    from truenorth.edit.lora import is_adapter
    from truenorth.edit.safety._adapters import safe_lora_adapter

    if args.method != "safe_lora" or len(args.model) != 1 or not is_adapter(Path(args.model[0])):
        raise UserError(
            "--adapter is for safe_lora with --model LORA_FOLDER", where="edit", fix="leave it out"
        )
    if args.only:
        raise UserError("--only with --adapter", where="edit", fix="leave one of them out")
    planned(args, settings)
    if args.dry_run:
        return exits.OK
    own = {("kind" if key == "projector" else key): v for key, v in settings.items() if key != "transposed"}
    cosines = safe_lora_adapter(args.model[0], args.aligned, args.base, args.out, **own)
    print(args.out)
    if not args.quiet:
        for name, cos in sorted(cosines.items(), key=lambda item: item[1]):
            print(f"{cos:6.3f}  {name}")
    return exits.OK


def _choose(args: argparse.Namespace, settings: dict[str, Any]) -> int:
    """Search the settings that --choose names; the others stay as --set has them."""
    from truenorth.cli.choosing import chosen, search_of
    from truenorth.edit.recipe import recipe_of

    search = search_of(args)
    plans = [planned(args, settings | dict(one)) for one in search.candidates]  # so all are checked first
    if args.dry_run:
        print(
            f"{len(search.candidates)} candidates, {args.rounds} rounds, at most {args.items} questions a measure"
        )
        return exits.OK
    start = args.against or args.model[0]
    said = json.loads(plans[0].plan.config.text) | {"settings": settings}
    identity = [said, recipe_of(plans[0].plan, args.seed)["models"], start]

    def make(one: Mapping[str, Any], place: Path) -> Path:
        return carried_out(args, planned(args, settings | dict(one)), place, quiet=True)

    return chosen(
        args, search, start=start, identity=identity, make=make, finish=lambda best: make(best, args.out)
    )


def listing() -> str:
    """Each edit with the models it needs and what it is."""
    from truenorth.base import names
    from truenorth.edit.safety import edit
    from truenorth.edit.safety._edit import PACKAGE

    rows = [(name, _needs(edit(name)), edit(name).about) for name in names(PACKAGE)]
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    return "\n".join(
        f"{name.ljust(widths[0])}  {needs.ljust(widths[1])}  {about}" for name, needs, about in rows
    )


def _needs(found: Edit) -> str:
    optional = [f"[{role}]" for role in found.roles.optional]
    return ", ".join([*found.roles.roles, *optional, *(f"{s}=FILE" for s in found.method.statistics)])


def _card(name: str) -> str:
    """All about one edit."""
    from truenorth.edit.safety import edit

    found = edit(name)
    settings = ", ".join(
        f"{key}={'?' if value is inspect.Parameter.empty else value}" for key, value in found.settings.items()
    )
    parts = [f"{name}: {found.about}", f"needs: {_needs(found)}; settings: {settings or 'none'}"]
    docs = [
        inspect.getdoc(found.method.call),
        inspect.getdoc(found.roles.select) if found.roles.select else None,
    ]
    return "\n\n".join([*parts, *(doc for doc in docs if doc)])


def planned(args: argparse.Namespace, settings: dict[str, Any]) -> EditPlan:
    """The edit as a plan; statistics named as KIND:ROWS are computed first."""
    from truenorth.edit.safety import check_edit, plan_edit

    models: dict[str, Any] = {role: getattr(args, role) for role in ROLES if getattr(args, role)}
    named = dict(_pair(one, "--with") for one in args.statistics)
    check_edit(args.method, models, settings=settings, statistics=named)
    files = {key: _file(args, key, spec) for key, spec in named.items()}
    return plan_edit(
        args.method,
        models,
        settings=settings,
        statistics=files,
        only=args.only,
        max_shard_size=args.max_shard_size,
    )


def _file(args: argparse.Namespace, key: str, spec: str) -> Path:
    """A statistic's file. Computed ones stand beside the result, so a repeated command finds the same."""
    if ":" not in spec or Path(spec).exists():
        return Path(spec)
    if args.dry_run:
        raise UserError(
            f"{key} is yet to be computed", where="--with", fix="leave --dry-run out, or name a file"
        )
    from truenorth.recipes.edit_models import loaded, merged
    from truenorth.recipes.edit_statistics import statistics_file

    return statistics_file(
        spec,
        args.out.with_name(args.out.name + ".statistics"),
        lambda: merged(loaded(args.model[0])),
        lambda: loaded(args.aligned) if args.aligned else None,
        name=key,
        identity=[_state(name) for name in (*args.model, args.aligned) if name],
    )


def _state(name: str) -> list[Any]:
    """What tells a model's files from others of the same name."""
    files = sorted(Path(name).glob("*.safetensors")) if Path(name).is_dir() else []
    return [name, *([f.name, f.stat().st_size, f.stat().st_mtime_ns] for f in files)]


def carried_out(args: argparse.Namespace, made: EditPlan, out: Path, *, quiet: bool) -> Path:
    """Write the edited model to `out`, with the seed and threads of the command."""
    from truenorth.edit.safety import edit_model

    return edit_model(made, out, seed=args.seed, threads=args.threads, quiet=quiet)


def _told(made: EditPlan) -> list[tuple[str, str]]:
    reached = sum(step.size for step in made.steps)
    total = sum(step.size for step in made.plan.steps)
    return [("reaches", f"{len(made.reached)} tensors, {reached / total:.0%} of all numbers"), *made.told()]


def _pair(text: str, where: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key or not value:
        raise UserError(f"{text!r} sets nothing", where=where, expected="NAME=VALUE")
    return key, value


def _value(text: str) -> Any:
    """A number, a list, true or false as JSON has them; else the word itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
