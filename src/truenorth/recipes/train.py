"""A training as a run: data, numbers before, weights, numbers after; killed anywhere, it ends the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from truenorth.base import UserError, write_json, write_text
from truenorth.engine import Run, progress
from truenorth.learn import Example, fit
from truenorth.learn.data.packing import check_packing
from truenorth.learn.following import Follow
from truenorth.learn.order import batch_at, tokens_of
from truenorth.learn.reward import choose_pad, open_reward
from truenorth.learn.reward import save as save_reward
from truenorth.learn.types import SCORED
from truenorth.models.loading import is_local
from truenorth.models.local import LocalModel
from truenorth.recipes.train_adapters import adapter_of, freeze_all_but_biases, only_biases
from truenorth.recipes.train_evaluate import (
    Change,
    as_rows,
    changes,
    estimates,
    evaluable,
    evaluated,
    flat,
    reference_of,
)
from truenorth.recipes.train_inputs import Ready, data_input
from truenorth.recipes.train_reading import bound
from truenorth.recipes.train_report import card, plain
from truenorth.recipes.train_settings import OPTIMIZERS, SCHEDULES
from truenorth.recipes.train_tasks import DRAWN, ROUNDS, draw, in_rounds, prompts_of, tasks
from truenorth.records import Row, Source

NAMES = {"lr": "learning_rate"}  # ours -> TRL's
Look = Callable[
    [Any, Any], list[dict[str, float]]
]  # (model, what its reference says) -> numbers of each example


class Trained(NamedTuple):
    """What a training came to."""

    model: Path
    changes: list[Change]
    last: dict[str, float]


def config_of(made: Ready) -> dict[str, Any]:
    """Everything that changes the result, for the run's manifest."""
    return {"job": "train", **made.settings.to_dict(), "learning_rate": made.rate, "steps": made.steps}


def train(made: Ready, run: Run, *, quiet: bool = False) -> Trained:
    """Train, evaluate where asked, and publish the model's folder as RUN/model.

    Raises:
        UserError: weights that are not finite, a reference that does not fit, a loss that is not finite.
    """
    s = made.settings
    rows = run.step("data", [data_input(s.data), s.to_dict()], lambda: _rows(made))
    write_json(run.path / "lint.json", [f.to_dict() for f in made.findings])
    inputs = [rows, _identity(s.model), _identity(s.ref_model), config_of(made)]
    inputs += [_identity(s.baseline_model)] if s.baseline_model else []
    if s.objective == DRAWN:
        inputs += [run.step("answers", inputs, lambda: draw(opened(made), prompts_of(made.train), s))]
    asked = bool(made.eval_examples)
    if asked and not evaluable(s.objective):
        what = f"{s.objective} cannot be evaluated on held-out rows"
        raise UserError(what, where="--eval_data", fix="leave it out")
    look = partial(_look, made)
    first = run.step("before", inputs, lambda: _before(made, look)) if asked else []
    folder = run.step_files("weights", inputs, lambda to: _weights(made, run, to, look, quiet))
    last = run.step("after", [inputs, folder], lambda: _after(made, look, folder)) if asked else []
    found = _changes(made, first, last) if asked else []
    run.publish("model", folder)
    write_json(run.path / "evaluation.json", [plain(change) for change in found])
    lines = [line for line in run.view().metrics("weights") if "loss" in line]
    return Trained(run.path / "model", found, lines[-1] if lines else {})


def _look(made: Ready, model: Any, reference: Any) -> list[dict[str, float]]:
    s = made.settings
    return evaluated(model, made.eval_examples, bound(s), reference, batch=s.batch)


def _before(made: Ready, look: Look) -> list[Row]:
    model = opened(made)
    known = reference_of(_reference(made) or model, made.eval_examples, made.needs.reference)
    return as_rows(look(model, known), "before")


def _after(made: Ready, look: Look, folder: Path) -> list[Row]:
    s = made.settings
    adapter = folder if adapter_of(s) and made.needs.coupling not in SCORED else None
    model = opened(made, None if adapter else folder, adapter=adapter)
    base = (_reference(made) or LocalModel.load(s.model)) if made.needs.reference else model
    return as_rows(look(model, reference_of(base, made.eval_examples, made.needs.reference)), "after")


def _changes(made: Ready, first: Sequence[Row], last: Sequence[Row]) -> list[Change]:
    before, after = ([row.data for row in rows] for rows in (first, last))
    return changes(before, after, made.clusters, per_token=made.needs.average == "per_token")


def _weights(made: Ready, run: Run, folder: Path, look: Look, quiet: bool) -> None:
    """Train from the checkpoint or from the start, and save."""
    s = made.settings
    policy = opened(made)
    check_weights(policy)
    reference = _reference(made)
    scored = made.needs.coupling in SCORED
    if only_biases(s):
        freeze_all_but_biases(policy.module, s.model)
    if scored:
        choose_pad(policy, [[*e.prompt, *c] for e in made.examples for c in e.completions])
    else:
        run.metrics(step=0, packing_difference=check_packing(policy, made.examples))
    asked = made.eval_examples if s.eval_strategy != "no" else []
    known = reference_of(reference or policy, asked, made.needs.reference)
    with progress("training", total=made.steps, quiet=quiet) as bar:
        evaluate = partial(look, policy, known) if asked else None
        how = {**_fit_settings(made), "checkpoint": run.scratch() / "fit"}
        watch = _watcher(made, run, evaluate, bar)
        if s.objective == ROUNDS:
            result = in_rounds(policy, reference, made.train, made.examples, s, how, watch)
        else:
            others = {name: _other(made, s.baseline_model) for name in made.needs.models}
            found = tasks(s, bound(s), _own(made, run), made.imitated)
            result = fit(policy, found, reference=reference, models=others, on_step=watch, **how)
    run.count("steps skipped", result.skipped)
    if scored:
        result.merge()  # a judge is loaded as a plain classifier
        save_reward(policy, folder)
    else:
        policy.module = result.adapter or policy.module  # LoRA: what is saved is the adapter
        policy.save(folder)
    write_text(folder / "README.md", card(made))


def _fit_settings(made: Ready) -> dict[str, Any]:
    """TRL's settings as those of `fit`."""
    s = made.settings
    return {
        "steps": made.steps,
        "lr": made.rate,
        "schedule": SCHEDULES[s.lr_scheduler_type],
        "warmup": s.warmup,
        "clip": s.max_grad_norm,
        "weight_decay": s.weight_decay,
        "betas": (s.adam_beta1, s.adam_beta2),
        "optimizer": OPTIMIZERS[s.optim],
        "seed": s.seed,
        "follow": Follow(s.ref_model_sync_steps, s.ref_model_mixup_alpha) if s.sync_ref_model else None,
        "lora": adapter_of(s),
        "every": -(-s.save_steps // s.logging_steps) * s.logging_steps,  # where a line of numbers ends
        "micro_tokens": s.micro_tokens,
    }


def _watcher(
    made: Ready, run: Run, evaluate: Callable[[], list[dict[str, float]]] | None, bar: Any
) -> Callable[[dict[str, float]], None]:
    """What is done after every step: a line of numbers, an evaluation where it is time, progress."""
    note = _logger(made, run)
    per_token = made.needs.average == "per_token"

    def on_step(numbers: dict[str, float]) -> None:
        note(numbers)
        step = int(numbers["step"])
        if evaluate and step % _eval_every(made) == 0 and step < made.steps:
            found = estimates(evaluate(), made.clusters, per_token=per_token)
            run.metrics(step=step, **flat(found))
        bar.tick()
        bar.note(f"loss {numbers['loss']:.3f}")

    return on_step


def opened(made: Ready, folder: Path | None = None, *, adapter: Path | None = None) -> Any:
    """The model to train, or the one that was: with a score head where the objective asks for scores."""
    s = made.settings
    source = folder or s.model
    if made.needs.coupling in SCORED:
        return open_reward(source, each_token=made.needs.coupling == "token_score", seed=s.seed)
    return LocalModel.load(source, adapter=adapter)


def _logger(made: Ready, run: Run) -> Callable[[dict[str, float]], None]:
    """Writes a line of TRL's names every `logging_steps`: the mean over those steps."""
    s, sizes = made.settings, [tokens_of(e) for e in made.examples]
    window: list[dict[str, float]] = []
    seen = {"step": 0, "tokens": 0}

    def tokens_until(step: int) -> int:
        for i in range(seen["step"], step):
            at = batch_at(i, size=s.batch, examples=len(sizes), seed=s.seed, name="train")
            seen["tokens"] += sum(sizes[k] for k in at)
        seen["step"] = step
        return seen["tokens"]

    def note(numbers: dict[str, float]) -> None:
        window.append({NAMES.get(k, k).removeprefix("train/"): v for k, v in numbers.items()})
        step = int(numbers["step"])
        if step % s.logging_steps and step != made.steps:
            return
        line = {k: sum(w[k] for w in window if k in w) / sum(k in w for w in window) for k in window[-1]}
        line |= {k: window[-1][k] for k in ("learning_rate", "skipped")}
        line = {k: round(v, 8) for k, v in line.items() if k not in ("step", "tokens")}
        epoch = round(step * made.batch / len(sizes), 4)
        window.clear()
        run.metrics(step=step, epoch=epoch, num_tokens=tokens_until(step), **line)

    return note


def _eval_every(made: Ready) -> int:
    """Steps between evaluations; eval_steps below 1 is a share of all steps, as in transformers."""
    s = made.settings
    if s.eval_strategy == "epoch":
        return max(1, round(len(made.examples) / made.batch))
    steps = s.eval_steps or 1
    return max(1, round(steps * made.steps if steps < 1 else steps))


def _own(made: Ready, run: Run) -> list[Example]:
    """The examples of the objective: of the data, or of the answers that were drawn."""
    if made.settings.objective != DRAWN:
        return made.examples
    rows = run.view().rows("answers")
    return [Example(tuple(row.data["prompt"]), (tuple(row.data["completion"]),)) for row in rows]


def _reference(made: Ready) -> LocalModel | None:
    """The reference that was named."""
    s = made.settings
    return _other(made, s.ref_model) if s.ref_model and made.needs.reference else None


def _other(made: Ready, name: str) -> LocalModel:
    """Another model beside the one that is trained.

    Raises:
        UserError: it has another vocabulary.
    """
    model = LocalModel.load(name)
    if model.tokenizer.get_vocab() != made.look.codec.tokenizer.get_vocab():
        raise UserError(
            "another vocabulary than the model's",
            where=name,
            expected="a model with the same tokenizer",
        )
    return model


def check_weights(model: Any) -> None:
    """Refuse weights that no training can mend.

    Raises:
        UserError: naming the tensors that are not finite.
    """
    bad = [name for name, p in model.module.named_parameters() if not bool(p.isfinite().all())]
    if bad:
        raise UserError(
            f"{len(bad)} tensors hold NaN or infinite numbers ({', '.join(bad[:3])})",
            where=model.name,
            fix="every loss would be NaN: save or fetch the model again",
        )


def _rows(made: Ready) -> list[Row]:
    """The data with its provenance, as far as it is learned from."""
    used = sorted({one.row for one in made.train.encoded})
    return [
        Row(
            dict(made.train.rows[i]),
            Source(producer="data", family="imitation", note=f"{made.settings.data}, row {i}"),
        )
        for i in used
    ]


def _identity(name: str) -> Path | str:
    return Path(name) if name and is_local(name) else name
