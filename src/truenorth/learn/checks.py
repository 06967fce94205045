"""What a fit refuses before its first step: nothing to do, names that clash, examples nobody can learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from truenorth.base import UserError
from truenorth.learn.columns import check_columns, rows
from truenorth.learn.coupling import load_objective, needs
from truenorth.learn.lora import Lora
from truenorth.learn.peft_kinds import Peft
from truenorth.learn.penalties import Penalty
from truenorth.learn.types import SCORED, Example, Needs, Task

PATIENCE = 5  # skipped steps that are always forgiven


def check_fit(
    policy: Any,
    tasks: Sequence[Task],
    penalties: Sequence[Penalty],
    *,
    steps: int,
    reference: Any,
    models: Mapping[str, Any],
    lora: Lora | Peft | None,
) -> None:
    """Refuse what could not be trained.

    Raises:
        UserError: no tasks or steps, names that clash, unknown objectives, missing models or columns, bad
            examples, a teacher of another vocabulary, or adapters on a policy that has one.
    """
    every = [*tasks, *(task for penalty in penalties for task in penalty.tasks)]
    _check_tasks(policy, every, steps, models, lora.virtual if isinstance(lora, Peft) else 0)
    _named_apart([task.name for task in tasks] + [penalty.name for penalty in penalties])
    _share_words(policy, every, [reference, *models.values()])
    if lora and hasattr(policy.module, "peft_config"):
        raise UserError(
            "the policy has an adapter already", where="fit", fix="merge it first, or train it with lora=None"
        )


def trains_scores(tasks: Sequence[Task]) -> bool:
    """Do these tasks train a score head?

    Raises:
        UserError: some do and some do not.
    """
    kinds = {t.name: needs(load_objective(t.objective)).coupling in SCORED for t in tasks}
    if len(set(kinds.values())) > 1:
        raise UserError(
            "tasks of a score head beside tasks of a language model: " + ", ".join(kinds),
            where="fit",
            fix="train the two models one after the other",
        )
    return any(kinds.values())


def is_finite(value: float) -> bool:
    """Neither NaN nor infinite."""
    return value - value == 0.0


def check_skipped(skipped: int, steps: int, share: float) -> None:
    """Refuse to go on when more than `share` of the steps (and more than PATIENCE) were not finite."""
    if skipped > PATIENCE and skipped > share * steps:
        raise UserError(
            f"{skipped} of {steps} steps had a loss or gradient that is not finite",
            where="fit",
            fix="lower the learning rate, and check the examples and the model's weights for NaN",
        )


def check_examples(
    examples: Sequence[Example], *, where: str, context: int | None = None, pairs: bool = False
) -> None:
    """Refuse examples that nothing can be learned from, all of one kind in one message.

    Raises:
        UserError: no examples, or the rows without prompt or completion tokens, too long, or not pairs.
    """
    if not examples:
        raise UserError("no examples", where=where)

    def refuse(bad: list[int], what: str, fix: str) -> None:
        if bad:
            raise UserError(f"{rows(bad, len(examples))} {what}", where=where, fix=fix)

    numbered = list(enumerate(examples))
    refuse([i for i, e in numbered if not e.prompt], "have an empty prompt", "begin with the BOS token")
    empty = [i for i, e in numbered if not e.completions or not all(map(len, e.completions))]
    refuse(empty, "have no completion tokens", "drop empty completions")
    if pairs:
        odd = [i for i, e in numbered if len(e.completions) != 2]
        refuse(odd, "are not pairs", "give (chosen, rejected) completions")
    if context:
        longest = [len(e.prompt) + max(map(len, e.completions)) for e in examples]
        what = f"are longer than the model's context of {context} tokens (the longest has {max(longest)})"
        refuse([i for i, n in enumerate(longest) if n > context], what, "shorten their prompts, or drop them")


def _check_tasks(
    policy: Any, tasks: Sequence[Task], steps: int, models: Mapping[str, Any], virtual: int
) -> None:
    if steps < 1 or not tasks:
        raise UserError(f"nothing to do: {len(tasks)} tasks, {steps} steps", where="fit")
    if len({t.name for t in tasks}) != len(tasks):
        raise UserError("two tasks share a name", where="fit", expected="a name of its own for each task")
    config = policy.module.config.get_text_config()
    context = getattr(config, "max_position_embeddings", None)
    context = context - virtual if context else context
    for task in tasks:
        where = f"task {task.name}"
        need = needs(load_objective(task.objective, where=where), where=where)
        _check_models(need, models, where)
        pairs = need.coupling in ("pair", "score_pair", "state_pair")
        check_examples(task.examples, where=where, context=context, pairs=pairs)
        check_columns(need, task.examples, where=where)


def _check_models(need: Needs, models: Mapping[str, Any], where: str) -> None:
    missing = [n for n in need.models if n not in models]
    if missing:
        fix = f"fit(..., models={{{missing[0]!r}: LocalModel.load(...)}})"
        raise UserError(f"the objective asks for a model {missing[0]!r}", where=where, fix=fix)


def _named_apart(names: Sequence[str]) -> None:
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise UserError(f"a penalty and a task or penalty are both named {twice[0]}", where="fit")


def _share_words(policy: Any, tasks: Sequence[Task], others: Sequence[Any]) -> None:
    """Whole distributions are compared word by word, so a word must have the same number in both models."""
    found = [needs(load_objective(t.objective)) for t in tasks]
    tokenizer = getattr(policy, "tokenizer", None)
    if tokenizer is None or not any(need.kl or need.coupling == "distribution" for need in found):
        return
    mine = tokenizer.get_vocab()
    for other in others:
        theirs = other.tokenizer.get_vocab() if getattr(other, "tokenizer", None) is not None else {}
        odd = next((w for w, i in theirs.items() if mine.get(w, i) != i), None)
        if odd is not None:
            raise UserError(
                f"policy and teacher number their words differently ({odd!r} is {mine[odd]} and {theirs[odd]})",
                where="fit",
                fix="distil from answers: an sft task on what the teacher wrote",
            )
