"""What `truenorth auto` is told: the ground that all candidates share, and how large rounds may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from truenorth.base import UserError
from truenorth.engine import duration, forget
from truenorth.recipes.auto import Candidate, candidates
from truenorth.recipes.auto_run import Ground, held_by_file, held_by_organism, sized
from truenorth.recipes.harbour import harbour_job
from truenorth.recipes.job import Job
from truenorth.recipes.overrides import with_overrides
from truenorth.recipes.own_inputs import Own, ready
from truenorth.recipes.own_model import own_job
from truenorth.recipes.own_roles import Role
from truenorth.recipes.plan import SPARE, proposal, rank
from truenorth.recipes.plan_inputs import Inputs, inputs
from truenorth.recipes.run_budget import Budget
from truenorth.recipes.run_forecast import cost
from truenorth.recipes.run_recipe import recipe_names
from truenorth.recipes.settings import Settings
from truenorth.worlds.harbour import organism

SMALLEST = 0.05  # share of the full size below which a search says nothing
ORGANISM = (
    "Judged by the constitution's judge on prompts that the model wrote about each principle, with another seed; it "
    "also trained the recipes that use it. The oracle had no part in the search."
)


def ground(args: Any) -> tuple[Ground, list[Candidate], list[str]]:
    """The candidates, what they are run on, and the names of those that the budget has no room for.

    Raises:
        UserError: whatever is wrong with the options.
    """
    asked = inputs(args)
    every = candidates(args.recipes or recipe_names(), args.objectives, asked.have)
    budget = Budget.parse(args.budget) if args.budget else Budget()
    job, settings, held, judges = _own(args) if args.model else _organism(args)
    found = fitting(every, asked, settings, args.rounds, args.held, budget.seconds)
    shares = rounds_of(found, asked, settings, args.rounds, args.held, budget.seconds)
    left = [candidate.name for candidate in every if candidate not in found]
    cpu_s = forecast_of(found, asked, settings, shares, args.held)
    if budget.seconds is not None and budget.seconds < cpu_s:
        raise UserError(
            f"{args.budget} is too little: {found[0].name} alone takes about {duration(cpu_s)} at the smallest sizes",
            where="--budget",
            fix="give more time, fewer --rounds, or --recipes that cost less",
        )
    made = Ground(
        args.out, job, settings, held, args.held, shares, budget, judges, cpu_s, args.quiet, args.fresh
    )
    return made, found, left


def description(shared: Ground, found: Sequence[Candidate], left: Sequence[str]) -> str:
    """What a search would run, for --dry-run."""
    rounds = len(shared.shares)
    sizes = ", ".join(f"{100 * share:.0f}%" for share in shared.shares)
    prompts = ", ".join(f"{shared.judging * 2**number:,}" for number in range(rounds))
    lines = [
        f"candidates    {', '.join(candidate.name for candidate in found)}",
        f"no room for   {', '.join(left)}" if left else "",
        f"rounds        {rounds}, at {sizes} of the recipes' sizes; the better half goes on",
        f"judged on     {prompts} prompts, round by round",
        f"judges        {shared.judges}",
        f"time          about {duration(shared.forecast)} of one core",
        f"would write   {_place(shared)}",
    ]
    return "\n".join(line for line in lines if line)


def _place(shared: Ground) -> str:
    there = len(left_in(shared.out))
    if shared.fresh and there:
        return f"{shared.out}, where what an earlier search left is deleted first"
    return f"{shared.out}" + (f", going on with the {there} candidates begun there" if there else "")


def left_in(out: Path) -> list[Path]:
    """The runs that a search left there."""
    return sorted(path.parent for path in out.glob("round-*/*/manifest.json"))


def start_again(out: Path) -> None:
    """Delete what a search left there.

    Raises:
        UserError: a candidate of it is at work.
    """
    for folder in left_in(out):
        forget(folder)
    for page in ("auto.json", "auto.html"):
        (out / page).unlink(missing_ok=True)


def _organism(args: Any) -> tuple[Any, Any, Any, str]:
    home = organism(args.size)

    def settings(candidate: Candidate) -> Settings:
        words = [f"{k}={v}" for k, v in candidate.recipe.settings.items()]
        return with_overrides(Settings(seed=args.seed), [*words, *args.set])

    return partial(harbour_job, home), settings, held_by_organism, ORGANISM


def _own(args: Any) -> tuple[Any, Any, Any, str]:
    given = {
        name: getattr(args, name)
        for name in ("model", "constitution", "prompts", "labels", "judge", "base_url")
    }
    own = Own(**given, seed=args.seed, given=tuple(args.set), quiet=args.quiet)
    made = ready(own)

    def job(settings: Settings) -> Job:
        split = made.split._replace(train=made.split.train[: settings.prompts])
        return own_job(replace(made, split=split, settings=settings))

    return job, lambda candidate: made.settings, partial(held_by_file, made), judges_of(made.roles)


def fitting(
    found: Sequence[Candidate], asked: Inputs, settings: Any, rounds: int, judging: int, seconds: float | None
) -> list[Candidate]:
    """The candidates for which the budget has room at sizes that show an effect; of too many those stay that
    `truenorth plan` would rank first. One stays in any case."""

    def place(candidate: Candidate) -> tuple[Any, ...]:
        told = proposal(candidate.recipe, asked.have, asked.look, settings(candidate), None, 1)
        return (*rank(told), bool(candidate.objective))

    ranked = sorted(found, key=place)
    least = _doubling(SMALLEST, rounds)
    while (
        seconds is not None
        and len(ranked) > 1
        and forecast_of(ranked, asked, settings, least, judging) > SPARE * seconds
    ):
        ranked.pop()
    return [candidate for candidate in found if candidate in ranked]


def rounds_of(
    found: Sequence[Candidate], asked: Inputs, settings: Any, rounds: int, judging: int, seconds: float | None
) -> list[float]:
    """The share of the full size of each round: it doubles, and all rounds together fit the budget."""
    full = 1.0
    while (
        seconds is not None
        and full > SMALLEST
        and forecast_of(found, asked, settings, _doubling(full, rounds), judging) > SPARE * seconds
    ):
        full *= 0.8
    return _doubling(full, rounds)


def _doubling(full: float, rounds: int) -> list[float]:
    return [full / 2 ** (rounds - 1 - number) for number in range(rounds)]


def forecast_of(
    found: Sequence[Candidate], asked: Inputs, settings: Any, shares: Sequence[float], judging: int
) -> float:
    """CPU seconds of the whole search; every candidate counts as a mean one."""
    total, left = 0.0, len(found)
    for number, share in enumerate(shares):
        asks = {"questions": judging * 2**number}
        each = [cost(c.steps(), sized(settings(c), share), asked.look, **asks).cpu_s for c in found]
        total += left * sum(each) / len(each)
        left = (left + 1) // 2
    return total


def out_of(args: Any) -> Path:
    return args.out or Path("runs") / "auto"


def notes_of(shared: Ground, args: Any, left: Sequence[str]) -> list[str]:
    """What a reader must know of the numbers."""
    sizes = ", ".join(f"{100 * share:.0f}%" for share in shared.shares)
    told = [
        f"Rounds at {sizes} of the recipes' sizes, one seed ({args.seed}). Intervals are over prompts, not over seeds.",
        shared.judges,
    ]
    if len(shared.shares) > 1:
        what = "what a round keeps was partly lucky on its prompts"
        told.append(
            f"Only round {len(shared.shares)} is judged on prompts that no round before it saw: {what}."
        )
    if left:
        told.append(f"No room in the budget: {', '.join(left)}.")
    return told


def judges_of(roles: Mapping[str, Role]) -> str:
    """Who judges on a model of one's own: what measures each principle, or the judge that trained where there is no
    other."""
    said = "Judged on prompts of the file that no training used, by what measures each principle."
    itself = [name for name, role in roles.items() if role.measures == "itself"]
    if itself:
        said += f" Nothing but the judge that trained was there for {', '.join(itself)}: gains there may be its flaws."
    return said
