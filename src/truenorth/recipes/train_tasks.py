"""Objectives that stand beside imitation (coin, adpa), or draw what they learn from (adpa, minillm)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from truenorth.base import UserError, seed_of
from truenorth.learn.data import Prepared, Shape, examples, prepare
from truenorth.learn.data.wanted import Wanted
from truenorth.learn.paraphrases import branching
from truenorth.learn.types import Example, Needs, Task
from truenorth.records import Prompt, Row, Source, as_messages

if TYPE_CHECKING:
    from truenorth.models.local import LocalModel
    from truenorth.recipes.train_settings import TrainSettings

ROUNDS = "minillm"
DRAWN = "adpa"
WORDINGS = "coin"
IMITATES = (WORDINGS, DRAWN)  # beside these stands an sft task


class Lessons(NamedTuple):
    """Examples of the objective itself, and of the imitation beside it."""

    own: list[Example]
    imitated: list[Example]


def check_models(s: TrainSettings, need: Needs) -> None:
    """Refuse objectives whose other models are not named.

    Raises:
        UserError: with the argument that names one.
    """
    needed = {
        "ref_model": need.reference and s.objective in (ROUNDS, DRAWN),
        "baseline_model": bool(need.models),
    }
    about = {
        "ref_model": "the teacher" + (", after it learned preferences" if s.objective == DRAWN else ""),
        "baseline_model": "the teacher before it learned preferences",
    }
    for name, wanted in needed.items():
        if wanted and not getattr(s, name):
            raise UserError(f"{s.objective} needs another model", where=f"--{name}", expected=about[name])
    if s.baseline_model and not need.models:
        raise UserError(f"{s.objective} has no use for it", where="--baseline_model", fix="leave it out")
    unheard = [name for name in s.objective_settings if s.objective == ROUNDS and name != "gamma"]
    if unheard:
        what = "its rounds learn each token by gkd, and what follows by minillm"
        raise UserError(
            f"{unheard[0]} is not for training: {what}", where=f"--{unheard[0]}", expected="gamma"
        )


def wanted_rows(need: Needs, plain: Wanted) -> Wanted:
    """The rows of an objective: for two wordings of a request, a prompt, its paraphrase and the answer."""
    return Wanted(("prompt_completion",), ("paraphrase",), ()) if need.coupling == "state_pair" else plain


def lessons(s: TrainSettings, data: Prepared, made: list[Example]) -> Lessons:
    """What is learned from the data, as far as no model is needed for it.

    Raises:
        UserError: rows without a prompt, or without a second wording.
    """
    if s.objective == WORDINGS:
        return _worded(data, made)
    if s.objective in (DRAWN, ROUNDS) and data.kind != "prompt_completion":
        fix = "answers are drawn to prompts: give columns prompt and completion"
        raise UserError(f"{data.kind} data has no prompts", where=data.where, fix=fix)
    return Lessons(made, made if s.objective in IMITATES else [])


def _worded(data: Prepared, made: list[Example]) -> Lessons:
    """Each answer after both wordings, and both as one pair of texts."""
    told = [row.get("paraphrase") for row in data.rows]
    lost = [e.row for e in data.encoded if not told[e.row] or told[e.row] == data.rows[e.row]["prompt"]]
    if lost:
        what = f"rows {lost[:5]} have no second wording"
        raise UserError(what, where=data.where, expected="a paraphrase that differs from the prompt")
    rows = [{**row, "prompt": row.get("paraphrase") or row["prompt"]} for row in data.rows]
    other = prepare(rows, Wanted(("prompt_completion",), (), ()), data.codec, data.shape, where=data.where)
    second = dict(zip((e.row for e in other.encoded), examples(other.encoded), strict=True))
    both = [(one, second[e.row]) for e, one in zip(data.encoded, made, strict=True) if e.row in second]
    texts = [tuple((*e.prompt, *e.completions[0]) for e in pair) for pair in both]
    pairs = [
        branching(*sides, row=i)._replace(weight=one.weight)
        for i, (sides, (one, _)) in enumerate(zip(texts, both))
    ]
    return Lessons(pairs, [e for pair in both for e in pair])


def prompts_of(data: Prepared) -> list[Prompt]:
    """The prompts that answers are drawn to, in order."""
    return [as_asked(data.rows[e.row]["prompt"], data.shape) for e in data.encoded]


def as_asked(prompt: Any, shape: Shape) -> Prompt:
    """A prompt as a model is asked it."""
    return as_messages(prompt) if shape.as_chat or not isinstance(prompt, str) else prompt


def draw(model: LocalModel, prompts: Sequence[Prompt], s: TrainSettings) -> list[Row]:
    """The model's own answers, one each, as token ids."""
    own = seed_of("own answers", s.seed)
    drawn = model.sample(prompts, 1, max_tokens=s.max_new_tokens, seed=own, overlong="skip")
    source = Source("sample", model=model.name, seed=s.seed)
    return [
        Row(
            {"prompt": model.encode_prompt(p), "completion": list(group[0].tokens), "text": group[0].text},
            source,
        )
        for p, group in zip(prompts, drawn, strict=True)
        if group[0].tokens
    ]


def tasks(
    s: TrainSettings, objective: Any, own: Sequence[Example], imitated: Sequence[Example]
) -> list[Task]:
    """The objective, and the imitation beside it."""
    found = [Task("train", own, objective, batch=s.batch)]
    if imitated:
        each = 2 * s.batch if s.objective == WORDINGS else s.batch
        found.append(Task("imitation", imitated, "sft", weight=s.sft_weight, batch=each))
    return found


def in_rounds(
    student: LocalModel,
    teacher: Any,
    data: Prepared,
    corpus: Sequence[Example],
    s: TrainSettings,
    how: Mapping[str, Any],
    on_step: Callable[[dict[str, float]], None],
) -> Any:
    """MiniLLM: rounds of answers that teacher and student write together; `how` is what `fit` takes."""
    from truenorth.learn.on_policy import minillm_rounds

    settings = {k: v for k, v in how.items() if k not in ("steps", "follow")}
    prompts = prompts_of(data)
    each = -(-how["steps"] // s.rounds)
    return minillm_rounds(
        student,
        teacher,
        prompts,
        rounds=s.rounds,
        steps=each,
        share=s.teacher_share,
        max_tokens=s.max_new_tokens,
        gamma=s.objective_settings.get("gamma", 1.0),
        corpus=corpus if s.sft_weight else (),
        batch=s.batch,
        on_step=on_step,
        **settings,
    )[-1]


def told(s: TrainSettings, count: int) -> str:
    """For people: what is learned beside the data's own answers; nothing for most objectives."""
    drawn = f"{count:,} answers of at most {s.max_new_tokens} tokens"
    if s.objective == ROUNDS:
        return (
            f"{s.rounds} rounds, each on {drawn} that student and teacher ({s.teacher_share:g}) draw together"
        )
    if s.objective == DRAWN:
        return f"{drawn} that the model draws; imitation of the data's, weight {s.sft_weight:g}"
    if s.objective == WORDINGS:
        return f"imitation after either wording, weight {s.sft_weight:g}"
    return ""


def drawn_tokens(s: TrainSettings, count: int) -> int:
    """The most tokens that are drawn to learn from."""
    return count * s.max_new_tokens * {ROUNDS: s.rounds, DRAWN: 1}.get(s.objective, 0)
