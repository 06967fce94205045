"""Choosing among models that are made on the way: by a merge or an edit, one at a time on disk, resumable."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truenorth.base import UserError
from truenorth.engine import Run, progress
from truenorth.measure import Item, Scores, evaluate
from truenorth.models.local import LocalModel
from truenorth.recipes.choose import Choice, Limit, choose
from truenorth.recipes.job import Bench
from truenorth.recipes.measuring import restored
from truenorth.records import Row

Make = Callable[[Mapping[str, Any], Path], Path]  # settings and an empty place -> the model's folder


@dataclass(frozen=True)
class Search:
    """What is searched, and what for."""

    candidates: Sequence[Mapping[str, Any]]
    improve: str
    limits: tuple[Limit, ...]
    rounds: int = 3
    max_tokens: int = 40
    seed: int = 0


def grid(choices: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination, in order.

    >>> grid({"a": [1, 2], "b": [3]})
    [{'a': 1, 'b': 3}, {'a': 2, 'b': 3}]
    """
    return [dict(zip(choices, values)) for values in itertools.product(*choices.values())]


def choose_model(
    run: Run,
    search: Search,
    bench: Bench,
    start: Callable[[], LocalModel],
    make: Make,
    *,
    identity: Any,
    quiet: bool = True,
) -> Choice:
    """Choose among models made by `make`, each made when it is asked something and deleted afterwards.

    Args:
        bench: its main set measures; abilities are answered greedily, all else at temperature 1.
        start: the model that the limits compare to.
        identity: what the models depend on beside their settings, for the run's cache.
    """
    items = [*bench.conduct[bench.main], *bench.abilities.get(bench.main, ())]
    greedy = {item.id for item in bench.abilities.get(bench.main, ())}

    def ask(settings: Mapping[str, Any] | None, part: Sequence[Item]) -> Scores:
        name = "start" if settings is None else f"candidate-{list(search.candidates).index(settings)}"

        def answered() -> list[Row]:
            place = run.path / "candidate"
            shutil.rmtree(place, ignore_errors=True)
            model = start() if settings is None else LocalModel.load(make(settings, place))
            rows: list[Row] = []
            how = {"max_tokens": search.max_tokens, "seed": search.seed + 29}
            with progress(name, total=len(part), quiet=quiet) as bar:
                for few, temperature in ((False, 1.0), (True, 0.0)):
                    own = [item for item in part if (item.id in greedy) is few]
                    if own:
                        judged = evaluate(
                            model, own, bench.judges, temperature=temperature, tick=bar.tick, **how
                        )
                        rows += judged.rows()
            shutil.rmtree(place, ignore_errors=True)
            return rows

        asked = [[i.id, i.prompt, i.principle, i.cluster] for i in part]
        inputs = [identity, settings, asked, search.max_tokens, search.seed]
        return restored(name, part, run.step(f"{name}-{len(part)}", inputs, answered))

    return choose(
        ask,
        items,
        search.candidates,
        improve=search.improve,
        limits=search.limits,
        lower=bench.lower,
        rounds=search.rounds,
        seed=search.seed,
    )


def told(choice: Choice, search: Search) -> str:
    """The choice as a person reads it: a line for each candidate, and what follows from them."""
    lines = []
    for candidate in choice.candidates:
        said = " ".join(f"{key}={value}" for key, value in candidate.settings.items())
        parts = []
        if candidate.improve:
            gain = candidate.improve
            parts.append(
                f"{search.improve} {points(gain.difference)} ({points(gain.low)} to {points(gain.high)})"
            )
        for limit, one in zip(search.limits, candidate.limits):
            change = f"{points(one.difference)} ({points(one.low)} to {points(one.high)})"
            parts.append(f"{limit.principle} {change}, allowed {points(-limit.margin)}: {one.verdict}")
        lines.append(f"{said:<20}  {candidate.state:<14}  {'; '.join(parts)}".rstrip())
    return "\n".join([*lines, "", _conclusion(choice)])


def _conclusion(choice: Choice) -> str:
    if choice.verdict == "none feasible":
        return "none feasible: every candidate breaks a limit"
    if choice.verdict == "cannot tell":
        more = f"; about {choice.more:,} more questions would tell" if choice.more else ""
        return f"cannot tell: no candidate is shown to keep every limit{more}"
    assert choice.best is not None
    said = " ".join(f"{key}={value}" for key, value in choice.best.settings.items())
    notes = [] if choice.settled else ["others may be as good"]
    notes += [] if choice.improves else ["not shown to be better than the model as it is"]
    return f"chosen: {said}" + (f" ({'; '.join(notes)})" if notes else "")


def points(value: float) -> str:
    return f"{100 * value:+.1f}"


def numbers(text: str) -> list[Any]:
    """The values of `0.2,0.5,1`, numbers where they are.

    Raises:
        UserError: nothing there.
    """
    found: list[Any] = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(int(word) if word.lstrip("+-").isdigit() else float(word))
        except ValueError:
            found.append(word)
    if not found:
        raise UserError(f"no values in {text!r}", where="--choose", expected="NAME=VALUE,VALUE,...")
    return found
