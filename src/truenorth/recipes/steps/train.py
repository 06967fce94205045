"""Training on rows: pairs by a preference objective, single answers by imitation; anchored and watched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from truenorth.base import UserError, names
from truenorth.engine import Run
from truenorth.judges import Judge
from truenorth.models.local import LocalModel
from truenorth.recipes.align import learnt
from truenorth.recipes.run_budget import Clocked
from truenorth.recipes.run_check import PEOPLE, Bound
from truenorth.recipes.run_limits import Amount, Count, Positive, Weight
from truenorth.recipes.run_recipe import known
from truenorth.recipes.run_rows import as_lesson, distinct
from truenorth.recipes.run_work import Load, Rows, Work, changed, second_of
from truenorth.recipes.settings import Settings
from truenorth.recipes.training import COIN, Watch
from truenorth.recipes.training import objective as learned_with

SINGLE = "sft"


def train(
    rows: Rows,
    model: LocalModel,
    judge: Judge,
    work: Work,
    *,
    objective: str | None = None,
    beta: Positive | None = None,
    sft: Weight | None = None,
    keep: Weight | None = None,
    documents: Weight | None = None,
    steps: Count | None = None,
    batch: Count | None = None,
    lr: Positive | None = None,
    lora_rank: Amount | None = None,
    evaluations: Count | None = None,
) -> LocalModel:
    """The model trained on the rows, with the weights of the last look before the second judge falls.

    Settings left out are the job's. Rows to keep hold the model to what it was there; so do texts of its own.

    Args:
        judge: the one that made the rows; a second one, which made none, says where to stop.
        objective: a name of the catalogue: pairs for `dpo` and its like, any answers for `sft`, rows with
            a `paraphrase` for `coin`.

    Raises:
        UserError: no row teaches anything.
    """
    settings = changed(
        work.settings,
        objective=objective,
        beta=beta,
        sft=sft,
        keep=keep,
        documents=documents,
        steps=steps,
        batch=batch,
        lr=lr,
        lora_rank=lora_rank,
        evaluations=evaluations,
    )
    lessons = [as_lesson(row) for row in rows]
    if not any(row.data["use"] == "pair" for row in lessons):
        raise UserError(
            "no row teaches anything", where="step train", expected="pairs, or answers to imitate"
        )
    judges = second_of(work, judge)
    watch = Watch(distinct(work.watched(), rows), judges.proxy, judges.second, work.base)
    job = replace(work.job, settings=settings)
    run = cast(Run, Clocked(work.run, work.budget))
    policy = learnt(job, run, model, lessons, watch, quiet=work.quiet)
    if settings.lora_rank:
        policy.module = policy.module.merge_and_unload()
    return policy


def check(step: Bound, earlier: Mapping[str, Bound], where: str) -> None:
    """Pairs for an objective that compares, two wordings for `coin`.

    Raises:
        UserError: the objective is unknown, the rows have no rejected answers or no paraphrases, or people are to
            watch.
    """
    [watching] = next(wire.of for wire in step.wires if wire.name == "judge")
    if watching.partition(":")[0] == PEOPLE:
        fix = "leave judge out, or fit one on what they said: step student, or --labels"
        raise UserError("people cannot watch a training, which asks again and again", where=where, fix=fix)
    objective = step.settings.get("objective") or Settings.objective
    if objective == COIN:
        _check_worded(step, earlier, where)
        return
    known(objective, names("truenorth.learn.objectives"), where, "objective")
    try:
        learned_with(replace(Settings(), objective=objective))
    except UserError as error:
        raise UserError(error.what, where=where, expected=error.expected) from error
    if objective == SINGLE:
        return
    for name in next(wire.of for wire in step.wires if wire.name == "rows"):
        columns = earlier[name].columns or ()
        if "rejected" not in columns:
            raise UserError(
                f"{objective} compares answers, and rows of {name} have none that is rejected",
                where=where,
                expected=f"objective: {SINGLE}, or rows with prompt, chosen, rejected",
            )


def _check_worded(step: Bound, earlier: Mapping[str, Bound], where: str) -> None:
    for name in next(wire.of for wire in step.wires if wire.name == "rows"):
        if "paraphrase" not in (earlier[name].columns or ()):
            what = f"{COIN} compares wordings, and rows of {name} have no paraphrase"
            raise UserError(what, where=where, expected="rows of a step wordings")


def forecast(rows: Sequence[float], settings: Settings, **given: Any) -> Load:
    s = changed(settings, **given)
    looks = s.held_prompts * (s.evaluations + 1)
    texts = s.steps * s.batch * ((2 if s.objective != SINGLE else 1) + bool(s.keep) + bool(s.documents))
    return Load(0, answers=looks, reads=4 * looks, trained=texts)
