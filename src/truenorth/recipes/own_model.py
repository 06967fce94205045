"""The main job's parts for a model of one's own: prompts of a file, judges at hand, held-out prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from truenorth.base import content_hash
from truenorth.engine import Run
from truenorth.judges.checks._text import applies
from truenorth.measure import Item
from truenorth.models.http import HttpModel
from truenorth.models.local import LocalModel
from truenorth.recipes.drift import drift
from truenorth.recipes.job import Bench, Count, Job, Judges
from truenorth.recipes.measuring import Measured
from truenorth.recipes.own_inputs import Own, Ready, ready
from truenorth.recipes.own_judges import (
    Endpoint,
    endpoint_judge,
    measuring_judges,
    own_judges,
    training_judge,
)
from truenorth.recipes.own_report import finished
from truenorth.recipes.own_roles import files_of
from truenorth.recipes.settings import Settings
from truenorth.records import Row, prompt_text

ABOUT = (
    "Prompts of the same file that training never saw, neither they nor any other of their cluster. One "
    "answer each at temperature 1."
)


def own_job(made: Ready, *, about: str = ABOUT) -> Job:
    """The main job on a model of one's own.

    Args:
        about: the prompts that measure, in words.
    """
    own = made.own
    inputs: dict[str, Any] = {
        "model": made.model,
        "prompts": content_hash(
            [row.id for row in [*made.split.train, *made.split.watched, *made.split.test]]
        ),
        "files": [Path(f) for f in files_of(made.constitution, made.means)],
        "judge": [own.judge, own.base_url, own.measure, own.measure_url],
    }
    if own.labels:
        inputs["labels"] = own.labels
    endpoints = cache(partial(_endpoints, made))
    return Job(
        name=made.look.name.replace("/", "-"),
        model=made.model,
        constitution=made.constitution,
        settings=made.settings,
        prompts=partial(_prompts, made),
        judges=partial(_judges, made, endpoints),
        bench=partial(_bench, made, endpoints, about),
        inputs=inputs,
        finish=partial(_finish, made),
    )


def measuring_job(own: Own, *, items: int) -> Job:
    """A job that measures only: every prompt of the file is a question, `items` of them a measure at most."""
    made = measured(own, items=items)
    split = made.split
    about = f"The prompts of {own.prompts}, at most {items} a principle. One answer each at temperature 1."
    if split.dropped:
        about += f" Left out: {', '.join(f'{n} {reason}' for reason, n in split.dropped.items())}."
    return own_job(made, about=about)


def measured(own: Own, *, items: int) -> Ready:
    """What a job that measures only is made of: every prompt of the file is there to measure."""
    made = ready(own, measuring=True)
    split = made.split
    whole = split._replace(test=[*split.test, *split.watched, *split.train])
    return replace(made, split=whole, settings=replace(made.settings, items=items))


def _prompts(made: Ready, model: LocalModel, settings: Settings, count: Count) -> list[Row]:
    for reason, n in made.split.dropped.items():
        count(f"prompts {reason}", n)
    return [*made.split.train, *made.split.watched]


def _endpoints(made: Ready, run: Run) -> dict[str, Endpoint]:
    """The endpoints of this job, each one model with one budget; replies are kept in the run."""
    own, found = made.own, {}
    for name, spec, url in (
        ("judge", own.judge, own.base_url),
        ("measure", own.measure, own.measure_url or own.base_url),
    ):
        if spec:
            http = HttpModel(
                url,
                spec.partition(":")[2],
                max_requests=own.max_requests,
                cache=run.path / "replies" / f"{name}.sqlite",
            )
            settings = {"count": run.count, "share": own.max_losses, "quiet": own.quiet}
            found[name] = endpoint_judge(made.constitution, http, **settings)
    return found


def _both(made: Ready, endpoints: Any, model: LocalModel, run: Run) -> tuple[Any, Any, dict[str, Any]]:
    """The training judge, what was fitted for it, and the measuring judges."""
    found, seed = endpoints(run), made.settings.seed
    parts = (made.constitution, made.means, made.roles)
    proxy, fitted = training_judge(*parts, model, found.get("judge"), seed=seed)
    return proxy, fitted, measuring_judges(*parts, proxy, model, found, seed=seed)


def _judges(made: Ready, endpoints: Any, model: LocalModel, run: Run) -> Judges:
    return own_judges(*_both(made, endpoints, model, run), made.means.labels)


def _bench(made: Ready, endpoints: Any, about: str, model: LocalModel, run: Run) -> Bench:
    measuring = _both(made, endpoints, model, run)[2]
    return Bench(conduct={"held-out": items_of(made)}, abilities={}, judges=measuring, about=about)


def items_of(made: Ready) -> list[Item]:
    """Every held-out prompt for every principle that it concerns, at most `items` a principle."""
    found = []
    for p in made.constitution.principles:
        when = p.applies_when.prompt if p.applies_when else ()
        rows = [row for row in made.split.test if applies(when, prompt_text(row.data["prompt"]))]
        found += [
            Item(f"{row.id}:{p.id}", row.data["prompt"], p.id, row.data["cluster"])
            for row in rows[: made.settings.items]
        ]
    return found


def _finish(
    made: Ready, report: dict[str, Any], run: Run, models: Mapping[str, Any], measured: Measured
) -> dict[str, Any]:
    both = measured.conduct["held-out"]
    moved = drift(run, models, both, made.human, made.settings)
    return finished(report | moved, run, made.roles, made.look, models["base"][0])
