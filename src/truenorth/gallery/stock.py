"""The data that all cells of a seed share, made as the main job makes its own. No step of it knows what is true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from truenorth.engine import Run, View, progress
from truenorth.models.memo import remembering
from truenorth.recipes.align import own_documents
from truenorth.recipes.harbour import harbour_job
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import answer, choose, grouped, value
from truenorth.records import Row, Source
from truenorth.worlds.harbour import Organism

SIDES = ("chosen", "rejected")
GOOD, MARGIN = 0.5, Settings().margin  # of scores, as the main job has them for pairs


@dataclass(frozen=True)
class Stock:
    """What cells learn from.

    Args:
        data: the main job's training rows: pairs, and answers to keep.
        verdicts: every sampled answer with the judge's score.
        documents: the model's own texts, to hold it to.
    """

    data: Sequence[Row]
    verdicts: Sequence[Row]
    documents: Sequence[str]

    @property
    def pairs(self) -> list[Row]:
        return [row for row in self.data if row.data["use"] == "pair"]

    @property
    def keeps(self) -> list[Row]:
        return [row for row in self.data if row.data["use"] == "keep"]

    def taught(self, only: str, turned: bool) -> Stock:
        """With the pairs that one principle decided alone (all: ""), or with what they prefer turned round."""
        told = [row for row in self.data if row.data["use"] != "pair" or only in ("", row.source.principle)]
        return replace(self, data=[_turned(row) for row in told] if turned else told)

    def groups(self, most: int = 4) -> list[list[Row]]:
        """For each prompt whose answers differ in worth: up to `most` distinct ones, best and worst among them.

        As for pairs, the best must be good and the worst clearly worse: else there is nothing to learn.
        """
        found = []
        for rows in grouped(self.verdicts).values():
            known = {r.data["completion"]: r for r in rows if r.data["score"] is not None}
            ranked = sorted(known.values(), key=lambda r: -r.data["score"])
            if ranked and ranked[0].data["score"] >= max(GOOD, ranked[-1].data["score"] + MARGIN):
                found.append(ranked if len(ranked) <= most else [*ranked[: most - 1], ranked[-1]])
        return found


def _turned(row: Row) -> Row:
    if row.data["use"] != "pair":
        return row
    sides = {f"{name}{a}": row.data[f"{name}{b}"] for name in ("", "score_") for a, b in (SIDES, SIDES[::-1])}
    return Row({**row.data, **sides}, row.source)


def make_stock(path: Path, organism: Organism, settings: Settings, *, quiet: bool = False) -> None:
    """The stock of one seed, in a run directory: made there, unless it is there already."""
    settings = of_data(settings)
    job = harbour_job(organism, settings)
    label = job.constitution.label
    with Run.open(path, config=job.config(), constitution=label, seeds=[settings.seed]) as run:
        model = remembering(job.load())
        wanted = [settings.prompts, settings.draws, settings.seed]
        prompts = run.step("prompts", [job.inputs, wanted], lambda: job.prompts(model, settings, run.count))

        def make_answers() -> list[Row]:
            with progress("answers", total=len(prompts), quiet=quiet) as bar:
                return answer(model, prompts, {}, settings, tick=bar.tick, count=run.count)

        how: list[Any] = [settings, job.inputs, label]
        answers = run.step("answers", [prompts, *how], make_answers)
        verdicts = run.step(
            "verdicts",
            [answers, *how],
            lambda: value(job.judges(model, run).proxy, answers, constitution=label, count=run.count),
        )
        run.step(
            "data",
            [verdicts, *how],
            lambda: choose(verdicts, settings, constitution=label, count=run.count),
        )
        run.step("documents", how, lambda: _documents(model, settings))
    read_stock.cache_clear()


def of_data(settings: Settings) -> Settings:
    """Those that the data depends on, the others at their defaults: more steps or questions make no other data."""
    named = (
        "prompts",
        "held_prompts",
        "draws",
        "samples",
        "unbiased",
        "max_tokens",
        "margin",
        "likeness",
        "seed",
    )
    return Settings(**{name: getattr(settings, name) for name in named})


def _documents(model: Any, settings: Settings) -> list[Row]:
    texts = own_documents(model, max(64, settings.prompts // 2), settings.seed)
    return [Row({"text": text}, Source("sample", model=model.name, seed=settings.seed)) for text in texts]


@lru_cache(maxsize=8)
def read_stock(path: Path) -> Stock:
    view = View.read(path)
    texts = [row.data["text"] for row in view.rows("documents")]
    return Stock(view.rows("data"), view.rows("verdicts"), texts)
