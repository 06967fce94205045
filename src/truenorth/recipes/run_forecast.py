"""What a recipe would do and cost, before it is started."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from truenorth.engine import duration, foreseen
from truenorth.models.glance import Glance, glance
from truenorth.recipes.forecast import LAYER_S, START_S, flops_a_second, memory_mib
from truenorth.recipes.run_check import Bound
from truenorth.recipes.run_work import Load
from truenorth.recipes.settings import Settings

if TYPE_CHECKING:
    from truenorth.recipes.run_job import Ordered

FULL = 0.5  # share of max_tokens that answers take on average
PROMPT = 24  # tokens of a prompt
MEASURED = 12  # measures a set, where the job does not say


class Cost(NamedTuple):
    """Expected work, within a factor of two or three."""

    loads: tuple[tuple[str, Load], ...]
    answers: float
    cpu_s: float
    memory_mib: float


def loads(steps: Sequence[Bound], settings: Settings) -> list[tuple[str, Load]]:
    """What each step would do, from the sizes of what it consumes."""
    rows: dict[str, float] = {}
    found = []
    for step in steps:
        consumed = [
            sum(rows[name] for name in wire.of) for wire in step.wires if wire.takes == "rows" and wire.of
        ]
        says = getattr(inspect.getmodule(step.function), "forecast", None)
        load = says(consumed, settings, **step.settings) if says else Load(consumed[0] if consumed else 0)
        rows[step.name] = load.rows
        found.append((step.name, load))
    return found


def cost(steps: Sequence[Bound], settings: Settings, look: Glance, *, questions: float) -> Cost:
    """
    Args:
        questions: held-out ones that both models answer in the end.
    """
    found = loads(steps, settings)
    answers = sum(load.answers for _, load in found) + 2 * questions
    tokens = FULL * settings.max_tokens
    read_s = 2 * look.parameters / flops_a_second()
    token_s = read_s + look.layers * LAYER_S
    sampled = answers * (tokens * token_s + PROMPT * read_s)
    reads = sum(load.reads for _, load in found) * (tokens + PROMPT) * read_s
    trained = sum(load.trained for _, load in found) * (tokens + PROMPT) * (token_s + 2 * read_s)
    return Cost(tuple(found), answers, START_S + sampled + reads + trained, memory_mib(look, settings))


def cost_of(order: Ordered) -> Cost:
    """The forecast of an order."""
    settings = order.job.settings
    return cost(order.steps, settings, glance(order.job.model), questions=MEASURED * settings.items)


def description(order: Ordered, *, resume: bool = True) -> str:
    """What `--dry-run` prints; `resume` as of `Run.open`."""
    found, recipe = cost_of(order), order.recipe
    rows = [("recipe", recipe.title), ("", recipe.paper)] if recipe.paper else [("recipe", recipe.title)]
    rows += [("model", str(order.job.name)), ("constitution", order.job.constitution.label)]
    for step, (name, load) in zip(order.steps, found.loads, strict=True):
        rows.append(("step", f"{name}: {doing(step, load)}"))
    if requests := asked_of_endpoints(order, found.loads):
        rows.append(
            ("requests", f"about {requests:,.0f} to endpoints that answer; those of judges not counted")
        )
    rows += [
        ("time", f"about {duration(found.cpu_s)} of one core, within a factor of two or three"),
        ("memory", f"about {found.memory_mib / 1024:.1f} GiB"),
        ("would write", foreseen(order.out, config=order.config(), resume=resume)),
    ]
    return "\n".join(f"{name:<13} {text}" for name, text in rows)


def asked_of_endpoints(order: Ordered, found: Sequence[tuple[str, Load]]) -> float:
    """Answers that endpoints are asked for."""
    remote = {name for name, one in order.named.items() if one.remote}
    return sum(
        load.answers
        for step, (_, load) in zip(order.steps, found, strict=True)
        if any(wire.takes == "model" and set(wire.of) & remote for wire in step.wires)
    )


def doing(step: Bound, load: Load) -> str:
    """A step in words: what it uses and how much it does."""
    uses = ", ".join(name for wire in step.wires for name in wire.of)
    told = [
        f"{n:,.0f} {what}"
        for n, what in (
            (load.rows, "rows"),
            (load.answers, "answers sampled"),
            (load.reads, "texts judged"),
            (load.trained, "texts trained on"),
        )
        if n
    ]
    return f"{step.kind}{f' ({uses})' if uses else ''}, about {', '.join(told)}"
