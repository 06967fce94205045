"""Everything that a training is given, read and checked before weights are loaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from truenorth.base import UserError, content_hash
from truenorth.learn.coupling import load_objective, needs
from truenorth.learn.data import Finding, Prepared, Shape, examples, lint, prepare, wanted
from truenorth.learn.data.lint import refusal
from truenorth.learn.order import tokens_of
from truenorth.learn.types import SCORED, Example, Needs
from truenorth.models.glance import Glance, glance
from truenorth.recipes.train_adapters import adapter_of, check_targets, only_biases
from truenorth.recipes.train_rates import usual_rate
from truenorth.recipes.train_settings import TrainSettings
from truenorth.recipes.train_splits import Split, numbered, splits
from truenorth.recipes.train_tasks import check_models, lessons, wanted_rows
from truenorth.records.trl import explicit_prompt

CUT = frozenset(("prompt", "chosen", "rejected"))
PAIR = ("prompt", "chosen", "rejected")
MISMATCHED = ("kto",)  # objectives that need answers to other prompts beside each answer


class Ready(NamedTuple):
    """A training whose every input has been read and checked; no weights are loaded yet."""

    settings: TrainSettings
    look: Glance
    needs: Needs
    train: Prepared
    evaluation: Prepared | None
    examples: list[Example]
    eval_examples: list[Example]
    clusters: list[str]  # of the evaluation's examples: those of one prompt stand together
    findings: list[Finding]
    steps: int
    rate: float
    epochs: float
    imitated: Sequence[Example] = ()  # beside the objective, where it stands beside imitation

    @property
    def batch(self) -> int:
        """Examples of one step: never more than there are."""
        return min(self.settings.batch, max(1, len(self.examples)))

    @property
    def tokens(self) -> int:
        """Tokens of one epoch, as packed rows."""
        return sum(map(tokens_of, self.examples))


def ready(settings: TrainSettings, *, lint_only: bool = False, skip_bad_rows: bool = False) -> Ready:
    """Read the data, look at the model, encode and lint.

    Args:
        lint_only: errors of the lint do not raise.
        skip_bad_rows: rows with errors are left out.

    Raises:
        UserError: whatever is wrong with the objective, the model, the data or the settings: one message.
    """
    need = _trainable(settings)
    train, held = splits(settings)
    look = glance(settings.model)
    check_targets(settings, look.matrices, settings.model)
    made, evaluation = _prepared(settings, need, look, train, held)
    findings = numbered(lint(made, evaluation), train, held)
    if skip_bad_rows and refusal(findings):
        made, evaluation, findings = _without_bad(made, evaluation, train, held)
    bad = refusal(findings)
    if bad and not lint_only:
        fix = "mend the data; --lint-only shows more, --skip-bad-rows drops them"
        raise UserError(bad, where=settings.data, fix=fix)
    learned, imitated = lessons(settings, made, _examples(settings, made, need))
    if not learned and not lint_only:
        raise UserError("no row is left to learn from", where=settings.data)
    later = _examples(settings, evaluation, need) if evaluation else []
    clusters = _clusters(need, evaluation, later) if evaluation else []
    steps, epochs = _length(settings, len(learned))
    rate = settings.learning_rate or usual_rate(settings, need.coupling, look.parameters)
    return Ready(
        settings, look, need, made, evaluation, learned, later, clusters, findings, steps, rate, epochs, imitated
    )  # fmt: skip


def _trainable(settings: TrainSettings) -> Needs:
    """What the objective needs, where the command can give it."""
    need = needs(load_objective(settings.objective, where="objective"), where="objective")
    if need.coupling == "score" or set(need.models) - {"baseline"}:
        what = (
            f"{settings.objective} needs {' and '.join(need.models)} beside the model"
            if need.models
            else f"{settings.objective} needs scores of several attributes"
        )
        raise UserError(what, where="objective", fix="train it from Python: truenorth.learn.fit")
    check_models(settings, need)
    if need.coupling in SCORED and (only_biases(settings) or _virtual(settings)):
        what = f"a judge is saved whole, and {settings.peft['type']} cannot be merged with its head"
        raise UserError(what, where="--peft", fix="use lora")
    if not settings.data:
        raise UserError("no data", where="--data", expected="a file, a folder, or a dataset of the hub")
    if not settings.model:
        expected = "a folder with a transformers model, or a hub id"
        raise UserError("no model", where="--model", expected=expected)
    return need


def _prepared(
    settings: TrainSettings, need: Needs, look: Glance, train: Split, held: Split | None
) -> tuple[Prepared, Prepared | None]:
    """Both parts of the data, encoded."""
    shape, want = _shape(settings, look), wanted_rows(need, wanted(need))
    made = prepare(train.rows, want, look.codec, shape, where=settings.data)
    if held is None:
        return made, None
    where = settings.eval_data or f"{settings.data}, held out"
    return made, prepare(held.rows, want, look.codec, shape, where=where)


def _clusters(need: Needs, evaluation: Prepared, later: Sequence[Example]) -> list[str]:
    """Of the evaluation's examples: a name for each one's prompt."""
    if need.coupling == "score_pair":
        return [content_hash(list(e.prompt)) for e in later]
    prompts = {e.row: e.prompt for e in evaluation.encoded}
    return [content_hash(str(prompts[e.row])) for e in evaluation.encoded for _ in examples([e])]


def _length(settings: TrainSettings, count: int) -> tuple[int, float]:
    """Steps and epochs of a training on `count` examples."""
    batch = min(settings.batch, max(1, count))
    if settings.max_steps > 0:
        return settings.max_steps, settings.max_steps * batch / max(1, count)
    epochs = settings.num_train_epochs or (3.0 if settings.objective in ("sft", "dft") else 1.0)
    return max(1, math.ceil(epochs * count / batch)), epochs


def _without_bad(
    made: Prepared, evaluation: Prepared | None, train: Split, held: Split | None
) -> tuple[Prepared, Prepared | None, list[Finding]]:
    """Both parts without the rows that errors name; what was left out is said."""
    found = lint(made, evaluation)
    errors = [f for f in found if f.severity == "error"]
    left: dict[bool, set[int]] = {
        side: {i for f in errors if f.check.startswith("eval ") is side for i in f.rows}
        for side in (False, True)
    }
    made = made.without(left[False])
    evaluation = evaluation.without(left[True]) if evaluation else None
    skipped = [f._replace(severity="warning", fix="left out") for f in errors if f.rows]
    return made, evaluation, numbered([*skipped, *lint(made, evaluation)], train, held)


def _virtual(settings: TrainSettings) -> int:
    """Virtual tokens that take their places in the context."""
    return getattr(adapter_of(settings), "virtual", 0)


def _shape(settings: TrainSettings, look: Glance) -> Shape:
    length = settings.max_length
    if look.context is not None:
        context = look.context - _virtual(settings)
        if length is not None and length > context:
            raise UserError(
                f"{length} tokens, and the model's context holds {context}",
                where="--max_length",
                fix=f"at most {context}",
            )
        length = length or context
    return Shape(
        settings.completion_only_loss,
        settings.assistant_only_loss,
        length,
        settings.max_prompt_length,
        settings.truncation_mode,
        settings.as_chat,
        settings.dataset_text_field,
    )


def _examples(settings: TrainSettings, data: Prepared, need: Needs) -> list[Example]:
    if need.coupling == "score_pair":
        return _compared(data)
    made = examples(data.encoded)
    if settings.objective in MISMATCHED:
        from truenorth.learn.unpaired import with_mismatched

        return with_mismatched(made)
    return made


def _compared(data: Prepared) -> list[Example]:
    """Pairs as a reward model will read them when it judges; those that a length limit would cut are left out."""
    from truenorth.judges.classifier import ClassifierJudge
    from truenorth.learn.reward import pair_examples

    judge = ClassifierJudge(None, data.codec.tokenizer, "reward")
    rows = [{**explicit_prompt(data.rows[e.row]), **e.columns} for e in data.encoded if not CUT & e.marks]
    sides = [{k: v for k, v in row.items() if k in PAIR or k in data.encoded[0].columns} for row in rows]
    made = pair_examples(judge, sides)
    most = data.shape.max_length or 10**9
    return [e for e in made if len(e.prompt) + max(map(len, e.completions)) <= most]


def data_input(name: str) -> Any:
    """What tells one data set from another: a file's bytes, or a name on the hub."""
    return Path(name) if name and Path(name).exists() else name
