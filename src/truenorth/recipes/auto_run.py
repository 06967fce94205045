"""The work of `truenorth auto`: candidates run at the size of a round, and judged on prompts that none learned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from truenorth.engine import Run
from truenorth.judges import ConstitutionJudge, Judge
from truenorth.models.local import LocalModel
from truenorth.recipes.auto import Candidate, Count, Entry
from truenorth.recipes.auto_scores import counts_of, entry_of
from truenorth.recipes.job import Job
from truenorth.recipes.own_inputs import Ready
from truenorth.recipes.plan import scaled
from truenorth.recipes.run import Done, work_off
from truenorth.recipes.run_budget import Budget
from truenorth.recipes.run_job import without_sampler
from truenorth.recipes.run_models import Named
from truenorth.recipes.run_rows import distinct
from truenorth.recipes.settings import Settings
from truenorth.records import Group, Prompt, Row, Source, prompt_text

FEWEST = (60, 10)  # prompts and steps of a first round
HELD_SEED = 2003  # added to the seed for prompts that only judge


@dataclass(frozen=True)
class Ground:
    """What all candidates share.

    Args:
        job: at full size, of the given settings.
        held: makes the prompts that judge, from the base model.
        shares: of the full size, round by round.
    """

    out: Path
    job: Callable[[Settings], Job]
    settings: Callable[[Candidate], Settings]
    held: Callable[[Job, LocalModel, int], list[Prompt]]
    shares: Sequence[float]
    budget: Budget
    quiet: bool = False

    def make(self, candidate: Candidate, number: int) -> Entry:
        """The candidate at the size of a round, and what its judged answers say. What is done already is read."""
        settings = scaled(self.settings(candidate), self.shares[number], prompts=FEWEST[0], steps=FEWEST[1])
        job = self.job(settings)
        steps = [without_sampler(step) for step in candidate.steps()]
        named = {name: Named(spec) for name, spec in candidate.recipe.models.items()}
        config = job.config() | {"candidate": candidate.name, "share": self.shares[number]}
        folder = self.out / f"round-{number + 1}" / candidate.name
        with Run.open(
            folder, config=config, constitution=job.constitution.label, say=lambda text: None
        ) as run:
            done = work_off(steps, job, run, named=named, budget=self.budget, quiet=self.quiet)
            cpu_s = sum(
                cost.cpu_s for step, cost in run.view().costs().items() if not step.startswith("judged")
            )
            prompts = distinct(self.held(job, done.work.base, number), done.data)
            base, new = judged(run, done, prompts)
        counts: dict[str, Count] = counts_of(job.constitution)
        return entry_of(candidate.name, number, base, new, counts, cpu_s)


def judged(run: Run, done: Done, prompts: Sequence[Prompt]) -> tuple[list[Row], list[Row]]:
    """Base and candidate on the prompts: drawn once and greedily, with the judge's verdicts. Steps of the run."""
    work, judge = done.work, judge_of(done)
    both = []
    for who, identity in (("base", work.job.inputs), ("aligned", done.weights)):
        model = work.base if who == "base" else LocalModel.load(done.weights)
        told = [work.settings.seed, work.settings.max_tokens]
        asked = [[prompt_text(p) for p in prompts], identity, judge.name, *told]
        both.append(run.step(f"judged-{who}", asked, partial(answered, model, judge, prompts, work.settings)))
    return both[0], both[1]


def judge_of(done: Done) -> Judge:
    """What measures, where that is told apart by principles; else the constitution's judge, on prompts unseen."""
    judges = done.work.judges
    return judges.second if isinstance(judges.second, ConstitutionJudge) else judges.proxy


def answered(model: Any, judge: Judge, prompts: Sequence[Prompt], settings: Settings) -> list[Row]:
    rows = []
    for which, temperature in (("drawn", 1.0), ("greedy", 0.0)):
        drawn = model.sample(
            prompts,
            1,
            max_tokens=settings.max_tokens,
            temperature=temperature,
            seed=settings.seed + HELD_SEED,
        )
        texts = [group[0].text for group in drawn]
        verdicts = judge.judge([Group(p, [t]) for p, t in zip(prompts, texts, strict=True)])
        for prompt, text, (found,) in zip(prompts, texts, verdicts, strict=True):
            parts = {part.principle: part.score for part in found.parts}
            data = {"prompt": prompt, "completion": text, "set": which, "score": found.score, "parts": parts}
            rows.append(Row(data, Source(f"judge:{judge.name}", model=model.name, judge=judge.name)))
    return rows


def held_by_organism(job: Job, base: LocalModel, number: int, *, each: int) -> list[Prompt]:
    """Prompts that the model asks itself, of a seed that no training uses; twice as many each round."""
    wanted = each * 2**number
    settings = replace(job.settings, prompts=wanted, held_prompts=0, seed=job.settings.seed + HELD_SEED)
    return [row.data["prompt"] for row in job.prompts(base, settings, lambda name, n: None)]


def held_by_file(made: Ready, job: Job, base: LocalModel, number: int, *, each: int) -> list[Prompt]:
    """The part of the file that only measures."""
    return [row.data["prompt"] for row in made.split.test[: each * 2**number]]
