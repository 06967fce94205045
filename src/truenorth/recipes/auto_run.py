"""The work of `truenorth auto`: candidates run at the size of a round, and judged on prompts that none learned from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from truenorth.engine import Run
from truenorth.judges import ConstitutionJudge, Judge, read_labels
from truenorth.models.local import LocalModel
from truenorth.recipes.auto import Candidate, Count, Entry
from truenorth.recipes.auto_scores import counts_of, entry_of
from truenorth.recipes.job import Job
from truenorth.recipes.own_inputs import Ready
from truenorth.recipes.plan import scaled
from truenorth.recipes.run import Done, work_off
from truenorth.recipes.run_budget import Budget
from truenorth.recipes.run_check import Bound
from truenorth.recipes.run_job import without_sampler
from truenorth.recipes.run_models import Named
from truenorth.recipes.run_rows import distinct
from truenorth.recipes.settings import Settings
from truenorth.records import Group, Prompt, Row, Source, prompt_text
from truenorth.synth import dedupe
from truenorth.synth.taxonomy import taxonomy_of, taxonomy_prompts

HELD_SEED = 2003  # added to the seed for prompts that only judge
OPENING = 3  # words of a principle's examples that prompts about it begin with
LOOKS, WATCHED = (
    2,
    40,
)  # how often a training is watched, on how many prompts: looking costs more than learning here


@dataclass(frozen=True)
class Ground:
    """What all candidates share.

    Args:
        job: at full size, of the given settings.
        held: makes so many prompts that judge, from the base model: rows, of the principle that they are about.
        judging: prompts that judge in the first round; twice as many each round. The last round has its own.
        shares: of the full size, round by round.
        judges: who judges, in words.
        forecast: CPU seconds of all rounds.
        fresh: begin each candidate again.
    """

    out: Path
    job: Callable[[Settings], Job]
    settings: Callable[[Candidate], Settings]
    held: Callable[[Job, LocalModel, int], list[Row]]
    judging: int
    shares: Sequence[float]
    budget: Budget
    judges: str
    forecast: float = 0.0
    quiet: bool = False
    fresh: bool = False

    def make(self, candidate: Candidate, number: int) -> Entry:
        """The candidate at the size of a round, and what its judged answers say. What is done already is read, also
        where another candidate of the round did it."""
        job = self.job(sized(self.settings(candidate), self.shares[number]))
        steps = [without_sampler(step) for step in candidate.steps()]
        named = {name: Named(spec) for name, spec in candidate.recipe.models.items()}
        config = job.config() | {"candidate": candidate.name, "share": self.shares[number]}
        folder = self.out / f"round-{number + 1}" / candidate.name
        others = sorted(
            path.parent for path in self.out.glob("round-*/*/manifest.json") if path.parent != folder
        )
        with Run.open(
            folder,
            config=config,
            resume=not self.fresh,
            constitution=job.constitution.label,
            say=lambda text: None,
            others=others,
        ) as run:
            done = work_off(steps, job, run, named=named, budget=self.budget, quiet=self.quiet)
            cpu_s = sum(
                cost.cpu_s for step, cost in run.view().costs().items() if not step.startswith("judged")
            )
            wanted = pooled(self.judging, len(self.shares))
            asked = [job.inputs, job.constitution.label, job.settings.seed, job.settings.max_tokens, wanted]
            pool = run.step("judged-prompts", asked, lambda: self.held(job, done.work.base, wanted))
            held = of_round(pool, number, len(self.shares), self.judging)
            base, new = judged(run, done, held, without=learned(steps, run, job))
        counts: dict[str, Count] = counts_of(job.constitution)
        return entry_of(candidate.name, number, base, new, counts, cpu_s)


def sized(settings: Settings, share: float) -> Settings:
    """A share of the job's size, never below what shows an effect, and watched less."""
    told = scaled(settings, share)
    return replace(
        told,
        evaluations=min(LOOKS, told.evaluations),
        held_prompts=min(WATCHED, told.held_prompts),
    )


def pooled(judging: int, rounds: int) -> int:
    """Prompts that judge in all rounds: a third for the rounds that select, the rest for the last one."""
    return judging * 3 * 2 ** (rounds - 2) if rounds > 1 else judging


def of_round(pool: Sequence[Row], number: int, rounds: int, judging: int) -> list[Row]:
    """The prompts of a round, as many of each principle: twice as many each round, while there are any.

    The last round has prompts that no other has. What won on a set of prompts was partly lucky there, and would look
    better than it is on the same ones again. Prompts of one cluster stay together.
    """
    by_principle: dict[str, dict[str, list[Row]]] = {}
    for row in pool:
        clusters = by_principle.setdefault(row.source.principle, {})
        clusters.setdefault(row.data.get("cluster") or prompt_text(row.data["prompt"]), []).append(row)
    found: list[Row] = []
    for clusters in by_principle.values():
        groups = list(clusters.values())
        cut = -(-len(groups) // 3) if rounds > 1 else 0
        part = groups[cut:] if number + 1 == rounds else groups[:cut]
        rows = [row for group in part for row in group]
        found += rows[: -(-judging * 2**number // len(by_principle))]
    return found


def learned(steps: Sequence[Bound], run: Run, job: Job) -> list[Row]:
    """What any model or judge of the recipe was trained on, and what the job's judges were fitted on."""
    names = [
        name
        for step in steps
        if step.makes != "rows"
        for wire in step.wires
        if wire.takes == "rows"
        for name in wire.of
    ]
    view = run.view()
    rows = [row for name in dict.fromkeys(names) for row in view.rows(name) if "prompt" in row.data]
    labels = job.inputs.get("labels")
    fitted = read_labels(labels) if labels else []
    return [*rows, *(Row({"prompt": prompt}, Source("labels")) for prompt, _, _ in fitted)]


def judged(
    run: Run, done: Done, held: Sequence[Row], *, without: Sequence[Row]
) -> tuple[list[Row], list[Row]]:
    """Base and candidate on the prompts that are none of those of `without`: drawn once and greedily, with the judge's
    verdicts. Steps of the run; the base's are the same for all candidates of a round."""
    work, judge = done.work, judge_of(done)
    both = []
    for who, identity in (("base", work.job.inputs), ("aligned", done.weights)):
        model = work.base if who == "base" else LocalModel.load(done.weights)
        told = [work.settings.seed, work.settings.max_tokens]
        asked = [held, identity, judge.name, *told]
        both.append(run.step(f"judged-{who}", asked, partial(answered, model, judge, held, work.settings)))
    new = {prompt_text(prompt) for prompt in distinct([row.data["prompt"] for row in held], without)}
    base, aligned = ([r for r in rows if prompt_text(r.data["prompt"]) in new] for rows in both)
    return base, aligned


def judge_of(done: Done) -> Judge:
    """What measures, where that is told apart by principles; else the constitution's judge, on prompts unseen."""
    judges = done.work.judges
    return judges.second if isinstance(judges.second, ConstitutionJudge) else judges.proxy


def answered(model: Any, judge: Judge, held: Sequence[Row], settings: Settings) -> list[Row]:
    """An answer to each prompt, drawn and greedy, under the principle that the prompt is about."""
    rows = []
    prompts: list[Prompt] = [row.data["prompt"] for row in held]
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
        for row, text, (found,) in zip(held, texts, verdicts, strict=True):
            parts = {part.principle: part.score for part in found.parts}
            data = {
                "prompt": row.data["prompt"],
                "cluster": row.data.get("cluster", ""),
                "completion": text,
                "set": which,
                "score": found.score,
                "parts": parts,
            }
            source = Source(
                f"judge:{judge.name}",
                model=model.name,
                judge=judge.name,
                principle=row.source.principle,
                parents=(row.id,),
            )
            rows.append(Row(data, source))
    return rows


def held_by_organism(job: Job, base: LocalModel, wanted: int) -> list[Row]:
    """Prompts that the model writes about each principle, as many of every one, of a seed that no training uses. (Of
    prompts that it asks of itself few are about harm, and most differences would drown.)"""
    tree = taxonomy_of(job.constitution, opening=OPENING)
    leaves = Counter(leaf.principle for leaf in tree.leaves)
    each = -(-wanted // len(leaves))
    found: list[Row] = []
    for principle, count in leaves.items():
        made = taxonomy_prompts(
            base,
            replace(tree, leaves=tuple(leaf for leaf in tree.leaves if leaf.principle == principle)),
            -(-2 * each // count),  # some are doubles
            way="turns",
            max_tokens=job.settings.max_tokens,
            seed=job.settings.seed + HELD_SEED,
        )
        found += dedupe(made.kept).kept[:each]
    return dedupe(found).kept


def held_by_file(made: Ready, job: Job, base: LocalModel, wanted: int) -> list[Row]:
    """The part of the file that only measures."""
    return list(made.split.test[:wanted])
