"""The data that all cells share, made once as the main job makes its own. No step of it knows what is true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Stock:
    """What cells learn from.

    Args:
        model: the folder of the base model.
        data: the main job's training rows: pairs, and answers to keep.
        verdicts: every sampled answer with the judge's score.
        documents: the model's own texts, to hold it to.
    """

    model: Path
    data: Sequence[Row]
    verdicts: Sequence[Row]
    documents: Sequence[str]

    @property
    def pairs(self) -> list[Row]:
        return [row for row in self.data if row.data["use"] == "pair"]

    @property
    def keeps(self) -> list[Row]:
        return [row for row in self.data if row.data["use"] == "keep"]

    def groups(self, most: int = 4) -> list[list[Row]]:
        """For each prompt whose answers differ in worth: up to `most` distinct ones, best and worst among them."""
        found = []
        for rows in grouped(self.verdicts).values():
            known = {r.data["completion"]: r for r in rows if r.data["score"] is not None}
            ranked = sorted(known.values(), key=lambda r: -r.data["score"])
            if len(ranked) > 1 and ranked[0].data["score"] > ranked[-1].data["score"]:
                found.append(ranked if len(ranked) <= most else [*ranked[: most - 1], ranked[-1]])
        return found


def make_stock(path: Path, organism: Organism, settings: Settings, *, quiet: bool = False) -> Stock:
    """The stock of a gallery, from its run directory or made there."""
    job = harbour_job(organism, settings)
    label = job.constitution.label
    with Run.open(path, config=job.config(), constitution=label, seeds=[settings.seed]) as run:
        model = remembering(job.load())
        wanted = [settings.prompts, settings.draws, settings.seed]
        prompts = run.step("prompts", [job.inputs, wanted], lambda: job.prompts(model, settings, run.count))
        guidance: dict[str, str] = {}
        if settings.guided:
            guidance = {p.id: p.guidance for p in job.constitution.principles if p.guidance}

        def make_answers() -> list[Row]:
            with progress("answers", total=len(prompts) * (1 + len(guidance)), quiet=quiet) as bar:
                return answer(model, prompts, guidance, settings, tick=bar.tick, count=run.count)

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
    return read_stock(path, organism)


def _documents(model: Any, settings: Settings) -> list[Row]:
    texts = own_documents(model, max(64, settings.prompts // 2), settings.seed)
    return [Row({"text": text}, Source("sample", model=model.name, seed=settings.seed)) for text in texts]


def read_stock(path: Path, organism: Organism) -> Stock:
    view = View.read(path)
    texts = [row.data["text"] for row in view.rows("documents")]
    return Stock(organism.model, view.rows("data"), view.rows("verdicts"), texts)
