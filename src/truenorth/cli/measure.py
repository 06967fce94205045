"""Measure a model against a constitution, alone or beside another, without training anything.

    truenorth measure --model runs/harbour-micro/model
    truenorth measure --model DIR --against BASE --constitution policy.yaml --prompts prompts.jsonl

Without a constitution the model answers the organism's held-out questions, beside the organism, judged by the
oracle. With one, every prompt of the file counts, and each principle is measured by its `measured_by`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from truenorth.base import UserError
from truenorth.cli import exits

if TYPE_CHECKING:
    from rich.table import Table

    from truenorth.engine import Run
    from truenorth.measure import Item
    from truenorth.recipes.job import Job
    from truenorth.recipes.own_inputs import Own
    from truenorth.records import Row


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("--model", required=True, metavar="DIR_OR_ID", help="a transformers model")
    parser.add_argument("--against", metavar="DIR_OR_ID", help="compare with this one, on the same prompts")
    parser.add_argument(
        "--constitution", metavar="FILE", help="YAML or Markdown, or the name of a shipped one"
    )
    parser.add_argument("--prompts", metavar="FILE", help="JSONL, Parquet, CSV, or .txt with a prompt a line")
    parser.add_argument("--data", type=Path, metavar="DIR", help="where files named by the constitution are")
    parser.add_argument("--measure", default="", metavar="openai:MODEL", help="an endpoint that measures")
    parser.add_argument("--measure-url", default="", metavar="URL", help="its address")
    parser.add_argument("--max-requests", type=int, metavar="N", help="ask the endpoint at most this often")
    parser.add_argument("--allow-code", action="store_true", help="run code that the constitution names")
    parser.add_argument("--world", metavar="DIR", help="a world made by `truenorth world build`")
    parser.add_argument("--size", default="micro", metavar="NAME", help="the organism to compare with")
    parser.add_argument("--items", type=int, default=300, metavar="N", help="most prompts a principle (300)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default 0")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="the run's folder (default: runs/measure-NAME)"
    )
    parser.add_argument("--fresh", action="store_true", help="start again; what the run left is deleted")
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, say what would be done, stop"
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print the table, and return 1 if anything is clearly worse than in the other model."""
    if bool(args.constitution) != bool(args.prompts):
        raise UserError("--constitution and --prompts go together", fix="give both, or neither")
    job = _own(args) if args.constitution else _organism(args)
    against = args.against or ("" if args.constitution else str(job.model))
    out = args.out or Path("runs") / f"measure-{Path(args.model).name}"
    config = job.config() | {"measured": args.model, "against": against}
    if args.dry_run:
        from truenorth.engine import foreseen

        print(_plan(job, args, against, foreseen(out, config=config, resume=not args.fresh)))
        return exits.OK
    from rich.console import Console

    from truenorth.engine import Run

    with Run.open(
        out, config=config, resume=not args.fresh, constitution=job.constitution.label, seeds=[args.seed]
    ) as opened:
        if not against:
            Console().print(_alone(job, args, opened))
            return exits.OK
        data = _beside(job, args, against, opened)
    from truenorth.report import check, console_table, verdict, write_report

    page = write_report(data, out)
    Console().print(console_table(data))
    print(f"report  {page}")
    return exits.FAILED if verdict(check(data)).passed is False else exits.OK


def _plan(job: Job, args: argparse.Namespace, against: str, place: str) -> str:
    """What would be done; both models are looked at, their weights are not loaded."""
    from truenorth.models.glance import glance

    rows = [("model", args.model), ("beside", against or "nothing")]
    for name in filter(None, (args.model, against)):
        look = glance(name)
        rows.append(("", f"{look.name}: {look.parameters:,} parameters"))
    rows.append(("constitution", job.constitution.label))
    if args.constitution:
        from truenorth.recipes.own_model import items_of, measured

        made = measured(_own_of(args), items=args.items)
        asked = [item.principle for item in items_of(made)]
        for name, role in made.roles.items():
            rows.append(("principle", f"{name}: {asked.count(name):,} prompts, measured by {role.measures}"))
    else:
        rows.append(("questions", f"at most {args.items} a principle, held out, judged by the oracle"))
    return "\n".join(f"{name:<13} {text}" for name, text in [*rows, ("would write", place)])


def _alone(job: Job, args: argparse.Namespace, opened: Run) -> Table:
    """One model's rate on every principle, with intervals."""
    from rich.table import Table

    from truenorth.engine import progress
    from truenorth.measure import evaluate
    from truenorth.models.local import LocalModel
    from truenorth.recipes.measuring import restored

    model = LocalModel.load(args.model)
    bench = job.bench(model, opened)
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for title in ("principle", "mean", "95% interval", "n", "no verdict"):
        table.add_column(title)
    settings = job.settings
    for name, items in bench.conduct.items():

        def answered(items: Sequence[Item] = items, name: str = name) -> list[Row]:
            how = {"max_tokens": settings.max_tokens, "seed": settings.seed + 29}
            with progress(f"measuring {name}", total=len(items), quiet=args.quiet) as bar:
                return evaluate(model, items, bench.judges, tick=bar.tick, **how).rows()

        asked = [[i.id, i.prompt, i.principle, i.cluster] for i in items]
        inputs = [asked, _identity(args.model), settings.max_tokens, settings.seed]
        rows = opened.step(f"conduct-{name}", inputs, answered)
        for principle, e in restored(model.name, items, rows).estimates().items():
            table.add_row(
                principle, f"{e.mean:.3f}", f"{e.low:.3f} to {e.high:.3f}", str(e.n), str(e.abstained)
            )
    table.caption, table.caption_justify = bench.about, "left"
    return table


def _beside(job: Job, args: argparse.Namespace, against: str, opened: Run) -> dict[str, Any]:
    """Two models on the same prompts, as a report."""
    from truenorth.engine import progress
    from truenorth.models.local import LocalModel
    from truenorth.recipes.conclusion import changes, reached, shown
    from truenorth.recipes.measuring import measure

    names = {"base": against, "aligned": args.model}
    models = {who: (LocalModel.load(name), _identity(name)) for who, name in names.items()}
    bench = job.bench(models["base"][0], opened)
    total = 2 * sum(map(len, [*bench.conduct.values(), *bench.abilities.values()]))
    with progress("measuring", total=total, quiet=args.quiet) as bar:
        measured = measure(opened, bench, models, job.settings, tick=bar.tick)
    conduct, tax = measured.compared(), measured.tax()
    sets = {
        name: {
            "principles": shown(conduct[name], job, bench, name),
            "capability": shown(tax.get(name, {}), job, bench, name),
        }
        for name in conduct
    }
    main = sets.pop(bench.main)
    return {
        "title": f"{args.model} beside {against}",
        "run": str(opened.path),
        "base_model": {"name": against},
        "aligned_model": {"name": args.model},
        "constitution": {"label": job.constitution.label},
        "seeds": [args.seed],
        "set": bench.main,
        "set_description": bench.about,
        **main,
        "sets": sets,
        "targets": reached(bench, conduct, tax),
        "changes": changes(measured, bench.lower),
        "costs": {name: cost._asdict() for name, cost in opened.view().costs().items()},
    }


def _own(args: argparse.Namespace) -> Job:
    """The job whose bench is every prompt of the file."""
    from truenorth.recipes.own_model import measuring_job

    return measuring_job(_own_of(args), items=args.items)


def _own_of(args: argparse.Namespace) -> Own:
    from truenorth.recipes.own_inputs import Own

    return Own(
        args.model,
        args.constitution,
        args.prompts,
        measure=args.measure,
        measure_url=args.measure_url,
        data=args.data,
        seed=args.seed,
        max_requests=args.max_requests,
        allow_code=args.allow_code,
        quiet=args.quiet,
    )


def _organism(args: argparse.Namespace) -> Job:
    from truenorth.recipes.harbour import harbour_job
    from truenorth.recipes.settings import Settings
    from truenorth.worlds.harbour import organism

    return harbour_job(organism(args.size, args.world), Settings(seed=args.seed, items=args.items))


def _identity(name: str) -> Path | str:
    """What tells a model from another: its files, or its name on the hub."""
    return Path(name) if Path(name).exists() else name
