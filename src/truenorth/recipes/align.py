"""The main job: prompts, answers, verdicts, training data, training, measuring, report. Read it top to bottom."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from truenorth.base import UserError, write_text
from truenorth.engine import Run, progress
from truenorth.models.local import LocalModel
from truenorth.models.memo import remembering
from truenorth.recipes.conclusion import STEPS, conclude
from truenorth.recipes.job import Job, Judges
from truenorth.recipes.measuring import measure, signal_rows
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import answer, choose, revised, value
from truenorth.recipes.training import Point, Watch, peak, tasks_of, train
from truenorth.recipes.trust import check_cards
from truenorth.records import Prompt, Row
from truenorth.report import model_card, write_report

LEAST_PAIRS = 20
SIGNAL_ITEMS = 40  # questions a principle on which the training signal is held against what measures


def align(job: Job, run: Run, *, quiet: bool = False) -> dict[str, Any]:
    """Align the job's model in this run; what has been done already is not done again. Returns the report's data.

    Raises:
        UserError: a judge fails its card, or there is too little to learn from.
    """
    settings, label = job.settings, job.constitution.label
    model = remembering(job.load())
    judges = job.judges(model, run)
    check_cards(judges.cards, insist=job.insist)
    chats = model.codec.turn is not None
    guidance = {p.id: p.guidance for p in job.constitution.principles if p.guidance} if chats else {}

    prompting = [settings.prompts, settings.held_prompts, settings.draws, settings.seed]
    found = run.step("prompts", [job.inputs, prompting], lambda: job.prompts(model, settings, run.count))
    held = settings.held_prompts
    prompts, watched = found[:-held], found[-held:]

    def make_answers() -> list[Row]:
        ways = 1 + len(guidance) * bool(settings.guided) + 2 * settings.revised * chats
        with progress("answers", total=len(prompts) * ways, quiet=quiet) as bar:
            say: dict[str, Any] = {"tick": bar.tick, "count": run.count}
            found = answer(model, prompts, guidance, settings, **say)
            if settings.revised and chats:
                rules = [p.statement for p in job.constitution.principles]
                found += revised(model, found, rules, job.templates, settings, **say)
            return found

    sampling = [settings.samples, settings.guided, settings.max_tokens, settings.seed, guidance]
    sampling += [settings.unbiased]
    sampling += [settings.revised, list(job.templates)] if settings.revised else []
    answers = run.step("answers", [prompts, sampling, job.inputs], make_answers)
    verdicts = run.step(
        "verdicts",
        [answers, job.inputs, label],
        lambda: value(judges.proxy, answers, constitution=label, count=run.count),
    )
    choosing = [settings.margin, settings.likeness, settings.seed]
    data = run.step(
        "data",
        [verdicts, choosing],
        lambda: choose(verdicts, settings, constitution=label, count=run.count),
    )
    _enough(data, verdicts)

    asked = [r.data["prompt"] for r in watched]

    def make_weights(folder: Path) -> None:
        learn(job, run, job.load(), model, judges, data, asked, settings, quiet=quiet).save(folder)

    weights = run.step_files("weights", [data, watched, job.inputs, asdict(settings)], make_weights)
    aligned = LocalModel.load(job.model, adapter=weights) if settings.lora_rank else LocalModel.load(weights)
    return tell(job, run, model, aligned, weights, judges, data, quiet=quiet)


def learn(
    job: Job,
    run: Run,
    policy: LocalModel,
    start: LocalModel,
    judges: Judges,
    data: Sequence[Row],
    watched: Sequence[Prompt],
    settings: Settings,
    *,
    quiet: bool = False,
) -> LocalModel:
    """Train `policy` on chosen answers inside a step of the run; it is left with the weights of the peak.

    Args:
        start: the model before: KL is to it, and the documents to be held to are its own.
        watched: prompts that only watch the training.
    """
    texts = own_documents(start, len(data), settings.seed) if job.documents else []
    watch = Watch(watched, judges.proxy, judges.second, start)
    with progress("training", total=settings.steps, quiet=quiet) as bar:

        def on_step(numbers: dict[str, float]) -> None:
            run.metrics(**step_numbers(numbers))
            bar.tick()
            bar.note(f"loss {numbers['loss']:.3f}")

        tasks = tasks_of(policy, data, texts, settings)
        points = train(policy, tasks, watch, settings, scratch=run.scratch(), on_step=on_step)
    kept = peak(points[1:]).step
    for point in points:
        run.metrics(**point_numbers(point), kept=int(point.step == kept))
    return policy


def tell(
    job: Job,
    run: Run,
    model: LocalModel,
    aligned: LocalModel,
    weights: Path,
    judges: Judges,
    data: Sequence[Row],
    *,
    steps: Sequence[str] = STEPS,
    trained: str = "weights",
    quiet: bool = False,
) -> dict[str, Any]:
    """Measure the model before and after on what was held out, and write report, card and the model itself.

    Args:
        steps: of the run that made rows, as the report shows them.
        trained: the step of the run that trained what is told of.
    """
    settings, bench = job.settings, job.bench(model, run)
    questions = 2 * sum(map(len, [*bench.conduct.values(), *bench.abilities.values()]))
    with progress("measuring", total=questions, quiet=quiet) as bar:
        models: dict[str, tuple[LocalModel, Any]] = {
            "base": (model, job.inputs),
            "aligned": (aligned, weights),
        }
        measured = measure(run, bench, models, settings, tick=bar.tick)
        signals = run.step(
            "signals",
            [data, weights, SIGNAL_ITEMS],
            lambda: signal_rows(judges.proxy, bench, measured, each=SIGNAL_ITEMS),
        )
    report = conclude(job, run, bench, measured, judges, data, signals, steps=steps, trained=trained)
    if job.finish:
        report = job.finish(report, run, models, measured)
    card = model_card(report)
    run.publish("model", run.step_files("model", [weights, card], lambda to: with_card(weights, card, to)))
    write_report(report, run.path)
    if job.constitution.path:
        write_text(run.path / "constitution.yaml", Path(job.constitution.path).read_text(encoding="utf-8"))
    return report


def with_card(weights: Path, card: str, folder: Path) -> None:
    """The model as people take it: the weights (linked, not copied) and the model card."""
    for file in sorted(weights.iterdir()):
        if file.name != "README.md":
            os.link(file, folder / file.name)
    write_text(folder / "README.md", card)


def own_documents(model: LocalModel, count: int, seed: int) -> list[str]:
    """Texts that the model writes of itself, to hold it to: from BOS, at temperature 1."""
    [drawn] = model.sample([""], count, max_tokens=64, seed=seed + 17)
    return [c.text for c in drawn if c.text.strip()]


def _enough(data: list[Row], verdicts: list[Row]) -> None:
    scores = {row.data["score"] for row in verdicts}
    if len(scores) == 1:
        found = "no verdict" if None in scores else f"the same score, {next(iter(scores)):.2f},"
        raise UserError(
            f"the judge gave {found} for all {len(verdicts)} answers",
            where=verdicts[0].source.judge,
            fix="there is nothing to learn from it; try another judge, or other prompts",
        )
    pairs = sum(row.data["use"] == "pair" for row in data)
    if pairs < LEAST_PAIRS:
        raise UserError(
            f"only {pairs} prompts have answers of different worth",
            where="data",
            expected=f"at least {LEAST_PAIRS}",
            fix="give more prompts, or look at what the judge says of the answers (truenorth why RUN ROW)",
        )


def step_numbers(numbers: dict[str, float]) -> dict[str, Any]:
    """What of a training step goes into metrics.jsonl."""
    kept: dict[str, Any] = {
        k: round(numbers[k], 6) for k in ("loss", "lr", "grad_norm", "tokens") if k in numbers
    }
    return {"step": int(numbers["step"]), **kept}


def point_numbers(point: Point) -> dict[str, Any]:
    """A look at the policy, flat."""
    judged = {"proxy": point.proxy, "second": point.second}
    flat = {f"{k}{end}": v for k, three in judged.items() for end, v in zip(("", "_low", "_high"), three)}
    return {"step": point.step, **flat, "kl": point.kl, "length": point.length}
