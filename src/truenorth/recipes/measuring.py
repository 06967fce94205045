"""Measuring on the bench: every question answered by the base model and by the aligned one, and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from truenorth.engine import Run
from truenorth.judges import Judge
from truenorth.measure import Answer, Comparison, Item, Scores, compare, evaluate
from truenorth.models.protocol import Model, Tick
from truenorth.recipes.job import Bench
from truenorth.recipes.settings import Settings
from truenorth.records import Completion, Group, Row, Source


class Measured(NamedTuple):
    """Both models' scores: set -> scores at temperature 1 (conduct) and greedy ones (abilities)."""

    conduct: Mapping[str, tuple[Scores, Scores]]
    abilities: Mapping[str, tuple[Scores, Scores]]

    def compared(self) -> dict[str, dict[str, Comparison]]:
        """Set -> principle -> base against aligned."""
        return {name: compare(*both) for name, both in self.conduct.items()}

    def tax(self) -> dict[str, dict[str, Comparison]]:
        """Set -> ability -> base against aligned."""
        return {name: compare(*both) for name, both in self.abilities.items()}


def measure(
    run: Run,
    bench: Bench,
    models: Mapping[str, tuple[Any, Any]],
    settings: Settings,
    *,
    tick: Tick | None = None,
) -> Measured:
    """Both models on every set, each a step of the run. `models`: base and aligned, with what identifies them."""

    def answered(model: Model, items: Sequence[Item], temperature: float) -> list[Row]:
        say: dict[str, Any] = {"max_tokens": settings.max_tokens, "seed": settings.seed + 29, "tick": tick}
        return evaluate(model, items, bench.judges, temperature=temperature, **say).rows()

    def scores(kind: str, name: str, items: Sequence[Item], temperature: float) -> tuple[Scores, Scores]:
        both = []
        for who, (model, identity) in models.items():
            asked = [[i.id, i.prompt, i.principle, i.cluster] for i in items]
            rows = run.step(
                f"{kind}-{name}-{who}",
                [asked, identity, temperature, settings.max_tokens, settings.seed],
                partial(answered, model, items, temperature),
            )
            both.append(restored(model.name, items, rows))
        return both[0], both[1]

    return Measured(
        {name: scores("conduct", name, items, 1.0) for name, items in bench.conduct.items()},
        {name: scores("ability", name, items, 0.0) for name, items in bench.abilities.items()},
    )


def restored(model: str, items: Sequence[Item], rows: Sequence[Row]) -> Scores:
    """The scores that were written as rows."""
    by_id = {item.id: item for item in items}
    return Scores(
        model,
        tuple(
            Answer(
                by_id[row.source.parents[0]],
                row.data["sample"],
                row.source.seed or 0,
                Completion(row.data["completion"], finish=row.data["finish"]),
                row.data["score"],
                row.source.judge,
                row.data["reason"],
            )
            for row in rows
        ),
    )


def signal_rows(proxy: Judge, bench: Bench, measured: Measured, *, each: int) -> list[Row]:
    """The training signal beside the measure, on both models' answers to `each` questions a principle.

    Only measures that say yes or no (0 or 1) are compared; `agree` is None where the signal had no verdict.
    """
    rows = []
    for principle in measured.conduct[bench.main][0].principles:
        if principle in bench.lower:
            continue
        pairs = [both.of(principle).answers[:each] for both in measured.conduct[bench.main]]
        answers = [a for group in zip(*pairs, strict=True) for a in group if a.score in (0.0, 1.0)]
        verdicts = proxy.judge([Group(a.item.prompt, [a.completion.text]) for a in answers])
        for answer, (found,) in zip(answers, verdicts, strict=True):
            agree = None if found.score is None else float((found.score >= 0.5) == (answer.score == 1.0))
            data = {"principle": principle, "cluster": answer.item.group, "agree": agree}
            source = Source("signals", judge=proxy.name, principle=principle, parents=(answer.item.id,))
            rows.append(Row(data, source))
    return rows
