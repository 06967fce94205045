"""The main job: prompts, answers, verdicts, training data, training, measuring, report. Read it top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from truenorth.base import UserError, write_text
from truenorth.engine import Run, link_or_copy, progress
from truenorth.models.local import LocalModel
from truenorth.models.memo import remembering
from truenorth.recipes.conclusion import STEPS, conclude
from truenorth.recipes.job import Job, Judges
from truenorth.recipes.measuring import measure, signal_rows
from truenorth.recipes.signals import answer, choose, revised, value
from truenorth.recipes.training import Point, Watch, peak, tasks_of, train
from truenorth.recipes.trust import check_cards
from truenorth.records import Row
from truenorth.report import model_card, write_report

LEAST_PAIRS = 20
SIGNAL_ITEMS = 40  # questions a principle on which the training signal is held against what measures


def align(job: Job, run: Run, *, quiet: bool = False) -> dict[str, Any]:
    """Align the job's model in this run; what has been done already is not done again. Returns the report's data.

    Raises:
        UserError: no prompts to watch with, a judge that fails its card, or too little to learn from.
    """
    if job.settings.held_prompts < 1:
        raise UserError("no prompt would watch the training", where="held_prompts", expected="1 or more")
    model = remembering(job.load())
    judges = job.judges(model, run)
    check_cards(judges.cards, insist=job.insist)
    prompts, watched = prompts_of(job, run, model)
    answers = answers_of(job, run, model, prompts, quiet=quiet)
    data = data_of(job, run, judges, answers)
    watch = Watch([row.data["prompt"] for row in watched], judges.proxy, judges.second, model)
    made_from = [data, watched, job.inputs, asdict(job.settings)]
    weights = run.step_files("weights", made_from, lambda to: learn(job, run, data, watch, to, quiet=quiet))
    return concluded(job, run, model, judges, data, weights, quiet=quiet)


def prompts_of(job: Job, run: Run, model: LocalModel) -> tuple[list[Row], list[Row]]:
    """What to learn from, and the prompts held back to watch the training with.

    Raises:
        UserError: none is left.
    """
    settings = job.settings
    asked = [settings.prompts, settings.held_prompts, settings.draws, settings.seed]
    found = run.step("prompts", [job.inputs, asked], lambda: job.prompts(model, settings, run.count))
    if len(found) <= settings.held_prompts:
        raise UserError(
            f"{len(found)} prompts, of which {settings.held_prompts} only watch the training",
            where="prompts",
            fix="give more prompts, or --set held_prompts=N with a smaller N",
        )
    return found[: -settings.held_prompts], found[-settings.held_prompts :]


def answers_of(job: Job, run: Run, model: LocalModel, prompts: list[Row], *, quiet: bool) -> list[Row]:
    """The model's own answers, and those it gives under guidance or revises, where settings ask for them."""
    settings, chats = job.settings, model.codec.turn is not None
    principles = job.constitution.principles
    guidance = {p.id: p.guidance for p in principles if p.guidance} if chats else {}
    ways = 1 + len(guidance) * bool(settings.guided) + 2 * settings.revised * chats

    def make() -> list[Row]:
        with progress("answers", total=len(prompts) * ways, quiet=quiet) as bar:
            say: dict[str, Any] = {"tick": bar.tick, "count": run.count}
            found = answer(model, prompts, guidance, settings, **say)
            if settings.revised and chats:
                rules = [p.statement for p in principles]
                found += revised(model, found, rules, job.templates, settings, **say)
            return found

    sampling = [settings.samples, settings.guided, settings.max_tokens, settings.seed, guidance]
    sampling += [settings.unbiased]
    sampling += [settings.revised, list(job.templates)] if settings.revised else []
    return run.step("answers", [prompts, sampling, job.inputs], make)


def data_of(job: Job, run: Run, judges: Judges, answers: list[Row]) -> list[Row]:
    """Verdicts on the answers, and the pairs and answers to keep that follow from them.

    Raises:
        UserError: the judge says the same of everything, or hardly any prompt has answers of different worth.
    """
    settings, label = job.settings, job.constitution.label
    say: dict[str, Any] = {"constitution": label, "count": run.count}
    verdicts = run.step("verdicts", [answers, job.inputs, label], lambda: value(judges.proxy, answers, **say))
    choosing = [settings.margin, settings.likeness, settings.seed]
    data = run.step("data", [verdicts, choosing], lambda: choose(verdicts, settings, **say))
    _enough(data, verdicts)
    return data


def learn(job: Job, run: Run, data: list[Row], watch: Watch, folder: Path, *, quiet: bool) -> None:
    """Train on the data, write metrics, and leave the weights (or the adapter) of the peak in `folder`."""
    learnt(job, run, job.load(), data, watch, quiet=quiet).save(folder)


def learnt(
    job: Job, run: Run, policy: LocalModel, data: list[Row], watch: Watch, *, quiet: bool
) -> LocalModel:
    """The policy trained on the data inside a step of the run, with the weights of the peak; writes metrics."""
    settings = job.settings
    texts = own_documents(watch.reference, len(data), settings.seed) if job.documents else []
    tasks = tasks_of(policy, data, texts, settings)
    with progress("training", total=settings.steps, quiet=quiet) as bar:

        def on_step(numbers: dict[str, float]) -> None:
            run.metrics(**step_numbers(numbers))
            bar.tick()
            bar.note(f"loss {numbers['loss']:.3f}")

        points = train(policy, tasks, watch, settings, scratch=run.scratch(), on_step=on_step)
    kept = peak(points[1:]).step
    for point in points:
        run.metrics(**point_numbers(point), kept=int(point.step == kept))
    return policy


def concluded(
    job: Job,
    run: Run,
    model: LocalModel,
    judges: Judges,
    data: list[Row],
    weights: Path,
    *,
    steps: Sequence[str] = STEPS,
    trained: str = "weights",
    quiet: bool,
) -> dict[str, Any]:
    """Base and aligned measured side by side, and what a run leaves for people: model, card, report.

    Args:
        steps: of the run that made rows, as the report shows them.
        trained: the step of the run that trained.
    """
    settings = job.settings
    aligned = LocalModel.load(job.model, adapter=weights) if settings.lora_rank else LocalModel.load(weights)
    bench = job.bench(model, run)
    models: dict[str, tuple[LocalModel, Any]] = {"base": (model, job.inputs), "aligned": (aligned, weights)}
    questions = 2 * sum(map(len, [*bench.conduct.values(), *bench.abilities.values()]))
    with progress("measuring", total=questions, quiet=quiet) as bar:
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
        written = Path(job.constitution.path)
        kind = ".md" if written.suffix.lower() in (".md", ".markdown") else ".yaml"
        write_text(run.path / f"constitution{kind}", written.read_text(encoding="utf-8"))
    return report


def with_card(weights: Path, card: str, folder: Path) -> None:
    """The model as people take it: the weights (linked, where there are links) and the model card."""
    for file in sorted(weights.iterdir()):
        if file.name != "README.md":
            link_or_copy(file, folder / file.name)
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
