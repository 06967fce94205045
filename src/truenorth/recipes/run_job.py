"""What `truenorth run` was asked for: the recipe's steps, checked, on the job of the model that was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from truenorth.base import UserError
from truenorth.constitution import Constitution
from truenorth.models.glance import glance
from truenorth.recipes.at_hand import have_of, lacking
from truenorth.recipes.harbour import harbour_job
from truenorth.recipes.job import Job
from truenorth.recipes.overrides import with_overrides
from truenorth.recipes.own_inputs import Own, ready
from truenorth.recipes.own_model import own_job
from truenorth.recipes.run_budget import Budget
from truenorth.recipes.run_check import SAMPLER, Bound, bound
from truenorth.recipes.run_models import HARBOUR, Named
from truenorth.recipes.run_recipe import Recipe, known
from truenorth.recipes.settings import Settings
from truenorth.worlds.harbour import organism

NEED_MODEL = ("prompts", "labels", "judge", "measure")


@dataclass(frozen=True)
class Ordered:
    """A recipe ready to be run: everything that could be wrong has been looked at."""

    recipe: Recipe
    steps: Sequence[Bound]
    job: Job
    named: Mapping[str, Named]
    budget: Budget
    out: Path

    def config(self) -> dict[str, Any]:
        """Everything that changes the result, for the run's manifest."""
        steps = {s.name: [s.kind, [[w.name, *w.of] for w in s.wires], dict(s.settings)] for s in self.steps}
        named = {k: [n.spec, n.url] for k, n in self.named.items()}
        return self.job.config() | {"recipe": self.recipe.name, "steps": steps, "models": named}


def ordered(recipe: Recipe, args: Any) -> Ordered:
    """The recipe on the model that the options name.

    Raises:
        UserError: anything that is wrong with recipe, options, model, constitution, prompts, labels or judges.
    """
    general, own = split_settings(recipe, args.set)
    budget = Budget.parse(args.budget) if args.budget else Budget()
    named = named_models(recipe, args)
    steps = bound(recipe, own, allow_code=args.allow_code)
    if SAMPLER not in named:
        steps = [without_sampler(step) for step in steps]
    job = _own(args, general, budget) if args.model else _organism(recipe, args, general)
    if why := missing(steps, job, args):
        raise UserError(f"cannot run here: {why}", where=f"recipe {recipe.name}")
    check_principles(steps, job.constitution)
    return Ordered(
        recipe, steps, replace(job, insist=args.insist), named, budget, args.out or Path("runs") / recipe.name
    )


def check_principles(steps: Sequence[Bound], constitution: Constitution) -> None:
    """Settings `only` and `under` name principles of the constitution, `under` perhaps with "not " before them.

    Raises:
        UserError: one that it does not have.
    """
    known = [p.id for p in constitution.principles]
    for step in (step for step in steps if ":" not in step.kind):  # others' settings may mean something else
        for setting in ("only", "under"):
            for name in step.settings.get(setting) or ():
                if name.removeprefix("not " if setting == "under" else "") not in known:
                    where = f"step {step.name}, {setting}"
                    raise UserError(f"no principle {name!r}", where=where, expected=", ".join(known))


def missing(steps: Sequence[Bound], job: Job, args: Any) -> str:
    """What a step needs and is not there, such as labels or a chat template; "" if nothing."""
    given = {"judge": args.judge, "prompts": len(args.prompts or ""), "organism": not args.model}
    have = have_of(glance(job.model), job.constitution, labels=job.inputs.get("labels"), **given)
    return lacking(steps, have)


def split_settings(recipe: Recipe, given: Sequence[str]) -> tuple[list[str], dict[str, dict[str, str]]]:
    """KEY=VALUE of the job, and STEP.KEY=VALUE of steps."""
    general: list[str] = []
    own: dict[str, dict[str, str]] = {}
    for word in given:
        name, equals, value = word.partition("=")
        step, dot, key = name.partition(".")
        if not dot:
            general.append(word)
            continue
        known(step, recipe.steps, f"--set {name}", "step")
        if not equals or not key:
            raise UserError(
                f"{word!r} sets nothing", where="--set", expected="STEP.KEY=VALUE, such as answers.n=4"
            )
        own.setdefault(step, {})[key] = value
    return general, own


def named_models(recipe: Recipe, args: Any) -> dict[str, Named]:
    """The models that steps may name beside the base: the recipe's, changed by --use, and the sampler."""
    specs = dict(recipe.models)
    for word in args.use:
        name, equals, spec = word.partition("=")
        if not equals:
            raise UserError(f"{word!r} names no model", where="--use", expected="NAME=DIR_OR_ID")
        known(name, recipe.models, "--use", "model of the recipe")
        specs[name] = spec
    found = {name: Named(spec, args.sampler_url or args.base_url) for name, spec in specs.items()}
    if args.sampler:
        found[SAMPLER] = Named(args.sampler, args.sampler_url or args.base_url)
    for name, one in found.items():
        one.check(f"model {name}")
    return found


def without_sampler(step: Bound) -> Bound:
    """Where no sampler is given, the base answers."""
    wires = tuple(w._replace(of=("base",)) if w.of == (SAMPLER,) else w for w in step.wires)
    return step._replace(wires=wires)


def _organism(recipe: Recipe, args: Any, general: Sequence[str]) -> Job:
    """The job on the recipe's organism, with the settings that the recipe has for it."""
    for name in NEED_MODEL:
        if getattr(args, name):
            raise UserError(f"--{name} needs --model", fix="without --model, the shipped organism is aligned")
    if not recipe.model.startswith(HARBOUR):
        raise UserError(
            f"model {recipe.model!r}",
            where=recipe.at("model"),
            expected=f"{HARBOUR}SIZE; others with --model",
        )
    words = [f"{k}={v}" for k, v in recipe.settings.items()]
    settings = with_overrides(Settings(seed=args.seed, lora_rank=args.lora), [*words, *general])
    job = harbour_job(organism(recipe.model.removeprefix(HARBOUR), args.world), settings, recipe.measure)
    if args.constitution and args.constitution != recipe.constitution:
        raise UserError(
            "the organism's judges know its own constitution", where="--constitution", fix="give --model too"
        )
    return job


def _own(args: Any, general: Sequence[str], budget: Budget) -> Job:
    """The job on a model of one's own; the sizes are those for its size and prompts."""
    if args.model.startswith("openai:"):
        fix = "give a model to train, and the endpoint as --sampler"
        raise UserError(
            f"{args.model} cannot be trained", where="--model", expected="a folder or a hub id", fix=fix
        )
    for option in ("constitution", "prompts"):
        if not getattr(args, option):
            raise UserError(f"--model needs --{option}", fix="see truenorth run --help")
    same = "model constitution prompts labels judge base_url measure measure_url lora seed allow_code quiet"
    given = {name: getattr(args, name) for name in same.split()}
    return own_job(ready(Own(**given, given=tuple(general), max_requests=budget.requests)))
