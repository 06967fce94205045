"""Everything that a training is given, read and checked before weights are loaded."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from truenorth.base import UserError, content_hash, seed_of
from truenorth.learn.coupling import load_objective, needs
from truenorth.learn.data import Finding, Prepared, Shape, examples, lint, prepare, wanted
from truenorth.learn.data.lint import refusal
from truenorth.learn.order import tokens_of
from truenorth.learn.types import Example, Needs
from truenorth.models.glance import Glance, glance
from truenorth.recipes.train_settings import TrainSettings, default_rate
from truenorth.records.tables import read_rows
from truenorth.records.trl import explicit_prompt

CUT = frozenset(("prompt", "chosen", "rejected"))
PAIR = ("prompt", "chosen", "rejected")
MISMATCHED = ("kto",)  # objectives that need answers to other prompts beside each answer


class Split(NamedTuple):
    """Rows and their numbers in the file they come from."""

    rows: Sequence[Mapping[str, Any]]
    numbers: Sequence[int]


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
    need = needs(load_objective(settings.objective, where="objective"), where="objective")
    if need.models or need.coupling == "score":
        what = (
            f"{settings.objective} needs {' and '.join(need.models)} beside the model"
            if need.models
            else (f"{settings.objective} needs scores of several attributes")
        )
        raise UserError(what, where="objective", fix="train it from Python: truenorth.learn.fit")
    if not settings.data:
        raise UserError("no data", where="--data", expected="a file, a folder, or a dataset of the hub")
    if not settings.model:
        raise UserError(
            "no model", where="--model", expected="a folder with a transformers model, or a hub id"
        )
    train, held = _splits(settings)
    look = glance(settings.model)
    shape = _shape(settings, look)
    want = wanted(need)
    made = prepare(train.rows, want, look.codec, shape, where=settings.data)
    evaluation = None
    if held is not None:
        where = settings.eval_data or f"{settings.data}, held out"
        evaluation = prepare(held.rows, want, look.codec, shape, where=where)
    findings = _numbered(lint(made, evaluation), train, held)
    bad = refusal(findings)
    if bad and skip_bad_rows:
        made, evaluation, findings = _without_bad(made, evaluation, train, held)
        bad = refusal(findings)
    if bad and not lint_only:
        raise UserError(
            bad, where=settings.data, fix="mend the data; --lint-only shows more, --skip-bad-rows drops them"
        )
    learned = _examples(settings, made, need)
    later = _examples(settings, evaluation, need) if evaluation else []
    if not learned and not lint_only:
        raise UserError("no row is left to learn from", where=settings.data)
    kept = {e.row: e.prompt for e in evaluation.encoded} if evaluation else {}
    clusters = [
        content_hash(str(kept[e.row]))
        for e in (evaluation.encoded if evaluation else ())
        for _ in examples([e])
    ]
    if need.coupling == "score_pair":
        clusters = [content_hash(list(e.prompt)) for e in later]
    epochs = settings.num_train_epochs or (3.0 if settings.objective in ("sft", "dft") else 1.0)
    batch = min(settings.batch, max(1, len(learned)))
    steps = settings.max_steps if settings.max_steps > 0 else math.ceil(epochs * len(learned) / batch)
    if settings.max_steps > 0:
        epochs = steps * batch / max(1, len(learned))
    rate = settings.learning_rate or default_rate(
        settings.objective, need.coupling, look.parameters, lora=settings.use_peft
    )
    return Ready(
        settings,
        look,
        need,
        made,
        evaluation,
        learned,
        later,
        clusters,
        findings,
        max(1, steps),
        rate,
        epochs,
    )


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
    return made, evaluation, _numbered([*skipped, *lint(made, evaluation)], train, held)


def _shape(settings: TrainSettings, look: Glance) -> Shape:
    length = settings.max_length
    if look.context is not None:
        if length is not None and length > look.context:
            raise UserError(
                f"{length} tokens, and the model's context holds {look.context}",
                where="--max_length",
                fix=f"at most {look.context}",
            )
        length = length or look.context
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


def _splits(settings: TrainSettings) -> tuple[Split, Split | None]:
    """Training rows and evaluation rows."""
    source = settings.data + (f":{settings.dataset_config}" if settings.dataset_config else "")
    rows = read_rows(source, split=settings.dataset_train_split)
    whole = Split(rows, range(len(rows)))
    if settings.eval_data:
        held = read_rows(settings.eval_data, split=settings.dataset_test_split or "train")
        return whole, Split(held, range(len(held)))
    if settings.dataset_test_split:
        held = read_rows(source, split=settings.dataset_test_split)
        return whole, Split(held, range(len(held)))
    return (
        held_out(rows, settings.test_split_size, settings.seed) if settings.test_split_size else (whole, None)
    )


def held_out(rows: Sequence[Mapping[str, Any]], size: float, seed: int) -> tuple[Split, Split]:
    """Rows split by whole prompts: those of one prompt stay together, so what is held out was not trained on.

    Args:
        size: share of the rows (below 1), or how many.

    Raises:
        UserError: nothing would be left on one side.
    """
    keys = [prompt_key(row) for row in rows]
    wanted_rows = size * len(rows) if size < 1 else size
    sizes = Counter(keys)
    order = sorted(sizes, key=lambda key: seed_of("held out", seed, key))
    chosen: set[str] = set()
    count = 0
    for key in order:
        if count >= wanted_rows:
            break
        chosen.add(key)
        count += sizes[key]
    parts = [[i for i, key in enumerate(keys) if (key in chosen) is side] for side in (False, True)]
    if not all(parts):
        raise UserError(
            f"{size:g} of {len(rows)} rows ({len(sizes)} prompts) leaves nothing on one side",
            where="--test_split_size",
            fix="name a file with --eval_data, or hold out less",
        )
    train, held = (Split([rows[i] for i in part], part) for part in parts)
    return train, held


def prompt_key(row: Mapping[str, Any]) -> str:
    """What rows of one prompt have in common, broken rows included."""
    if row.get("prompt") is not None:
        return content_hash(row["prompt"])
    turns = row.get("messages")
    if isinstance(turns, list) and turns and all(isinstance(t, dict) for t in turns):
        first = next((i for i, t in enumerate(turns) if t.get("role") == "assistant"), len(turns))
        return content_hash(turns[:first])
    chosen = row.get("chosen")
    if isinstance(chosen, list) and chosen:
        return content_hash(chosen[:-1])
    return content_hash(dict(row))


def _numbered(found: Sequence[Finding], train: Split, held: Split | None) -> list[Finding]:
    """Findings with the numbers that rows have in their files."""

    def numbers(finding: Finding) -> Sequence[int]:
        about_held = finding.check.startswith("eval ") or finding.check == "overlap"
        return held.numbers if held is not None and about_held else train.numbers

    return [f._replace(rows=tuple(numbers(f)[i] for i in f.rows)) for f in found]


def data_input(name: str) -> Any:
    """What tells one data set from another: a file's bytes, or a name on the hub."""
    return Path(name) if name and Path(name).exists() else name
