"""Running a recipe: its steps in order, each kept in the run's folder, and the report that all jobs end with."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from truenorth.base import UserError
from truenorth.engine import Run
from truenorth.models.local import LocalModel
from truenorth.models.memo import remembering
from truenorth.recipes.align import concluded
from truenorth.recipes.job import Job
from truenorth.recipes.run_beside import beside
from truenorth.recipes.run_budget import Budget, OutOfBudget
from truenorth.recipes.run_check import BASE, CONSTITUTION, Bound
from truenorth.recipes.run_models import Cast, Named
from truenorth.recipes.run_recipe import Recipe
from truenorth.recipes.run_rows import as_lesson, with_cuts
from truenorth.recipes.run_work import Work
from truenorth.recipes.trust import check_cards
from truenorth.records import Prompt, Row

MEASURING = ("items",)  # settings that no step depends on


class Done(NamedTuple):
    """What the steps of a recipe made: the model that the last training step left, and the rows it learned from."""

    work: Work
    step: str
    weights: Path
    data: list[Row]
    made: Mapping[str, Path]  # what each step that trained or fitted left


def run_recipe(
    recipe: Recipe,
    steps: Sequence[Bound],
    job: Job,
    run: Run,
    *,
    named: Mapping[str, Named] | None = None,
    budget: Budget | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Run the steps that have not been run yet, measure, and write the report. Returns the report's data.

    Raises:
        UserError: a judge that trains fails its card, or a step has nothing to work with.
        OutOfBudget: the budget is spent. What was made stays; the same command goes on from there.
    """
    done = work_off(steps, job, run, named=named, budget=budget, quiet=quiet)
    told = replace(
        job,
        settings=replace(job.settings, lora_rank=0),  # what a recipe's steps train is saved whole
        finish=lambda report, *rest: finished(recipe, steps, job, done, report, *rest),
    )
    names = [step.name for step in steps if step.makes == "rows"]
    base, judges = done.work.base, done.work.judges
    return concluded(
        told, run, base, judges, done.data, done.weights, steps=names, trained=done.step, quiet=quiet
    )


def work_off(
    steps: Sequence[Bound],
    job: Job,
    run: Run,
    *,
    named: Mapping[str, Named] | None = None,
    budget: Budget | None = None,
    quiet: bool = False,
) -> Done:
    """The steps alone, as `run_recipe` runs them; nothing is measured."""
    if job.settings.held_prompts < 1:
        raise UserError("no prompt would watch the training", where="held_prompts", expected="1 or more")
    base = remembering(job.load())
    judges = job.judges(base, run)
    if any(CONSTITUTION in wire.of for step in steps for wire in step.wires if wire.takes == "judge"):
        check_cards(judges.cards, insist=job.insist)
    work = Work(job, run, base, judges, lambda: watched(job, run, base), budget or Budget(), quiet)
    cast = Cast(work, named or {})
    rows: dict[str, list[Row]] = {}
    for number, step in enumerate(steps):
        try:
            work.budget.check(f"before step {step.name}")
            do(step, cast, rows)
        except OutOfBudget as spent:
            raise OutOfBudget(
                f"{spent} (step {step.name}; {number} of {len(steps)} steps are done)"
            ) from None
    last = trained_last(steps)
    taught = [name for wire in last.wires if wire.takes == "rows" for name in wire.of]
    data = [as_lesson(row) for name in taught for row in rows[name]]
    return Done(work, last.name, cast.made[last.name], data, cast.made)


def trained_last(steps: Sequence[Bound]) -> Bound:
    """The step whose model is the result."""
    return next(step for step in reversed(steps) if step.makes == "model")


def watched(job: Job, run: Run, base: LocalModel) -> list[Prompt]:
    """Prompts that only watch trainings: drawn with a seed of their own, or the part of the file that is for it."""
    settings = replace(job.settings, prompts=1, seed=job.settings.seed + 1009)
    rows = job.prompts(base, settings, lambda name, n: None)
    return [row.data["prompt"] for row in rows[-settings.held_prompts :]]


def do(step: Bound, cast: Cast, rows: dict[str, list[Row]]) -> None:
    """One step: from disk if it has been done with these inputs, else made."""
    run = cast.work.run
    inputs = [inputs_of(step, cast, rows), step.kind, dict(step.settings), _settings(cast.work), _code(step)]

    def make() -> Any:
        given = {wire.name: argument(wire.takes, wire.of, cast, rows) for wire in step.wires}
        found = step.function(**given, **step.settings)
        if step.makes != "rows":
            return found
        return with_cuts(found, [row for w in step.wires if w.takes == "rows" for row in given[w.name]])

    if step.makes == "rows":
        rows[step.name] = run.step(step.name, inputs, make)
        if not rows[step.name]:
            raise UserError(
                "made no rows", where=f"step {step.name}", fix="see its counts in the run's folder"
            )
    else:
        reader = [wire.of[0] for wire in step.wires if wire.takes == "trainable"]
        if step.makes == "judge" and reader:
            cast.read_by[step.name] = reader[0]
        cast.made[step.name] = run.step_files(step.name, inputs, lambda folder: make().save(folder))


def argument(takes: str, of: tuple[str, ...], cast: Cast, rows: Mapping[str, list[Row]]) -> Any:
    """What a parameter is given."""
    if takes == "work":
        return cast.work
    if takes == "rows":
        return [row for name in of for row in rows[name]]
    return {"model": cast.sampler, "trainable": cast.trainable, "judge": cast.judge}[takes](of[0])


def inputs_of(step: Bound, cast: Cast, rows: Mapping[str, list[Row]]) -> dict[str, Any]:
    """What a step's output depends on: rows by their ids, models by their files, judges by what made them."""
    found: dict[str, Any] = {}
    for wire in step.wires:
        if wire.takes == "rows":
            found[wire.name] = [rows[name] for name in wire.of]
        elif wire.takes == "judge":
            found[wire.name] = cast.judge_identity(wire.of[0])
        elif wire.takes != "work":
            found[wire.name] = cast.identity(wire.of[0])
    return found


def _settings(work: Work) -> dict[str, Any]:
    told = {k: v for k, v in asdict(work.settings).items() if k not in MEASURING}
    return told | {"constitution": work.label, "inputs": dict(work.job.inputs)}


def _code(step: Bound) -> Any:
    """The file of a step from outside the catalogue, so that changing it makes the step anew."""
    if ":" not in step.kind:
        return None
    source = inspect.getsourcefile(step.function)
    return Path(source) if source else step.kind


def finished(
    recipe: Recipe, steps: Sequence[Bound], job: Job, done: Done, report: dict[str, Any], *rest: Any
) -> dict[str, Any]:
    """The report with the recipe's name and its steps, and with the baseline that its claim names."""
    if job.finish:
        report = job.finish(report, *rest)
    costs = report["costs"]
    lines = [
        [
            s.name,
            s.kind,
            ", ".join(n for w in s.wires for n in w.of),
            f"{costs[s.name]['cpu_s']:,.1f}" if s.name in costs else "",
        ]
        for s in steps
    ]
    about = " ".join(part for part in (recipe.paper and f"{recipe.paper}.", recipe.differs) if part)
    table = {
        "title": f"Recipe: {recipe.title}",
        "caption": about,
        "columns": ["step", "does", "with", "CPU seconds"],
        "rows": lines,
    }
    report["title"] = f"{recipe.title}: {report['title']}"
    tables = [table]
    over = recipe.claim.over if recipe.claim else BASE
    if over != BASE:
        work = done.work
        tables.append(beside(job, work.run, work.base, over, done.made[over], done.weights))
    report["tables"] = [*report.get("tables", []), *tables]
    return report
