"""Multiple choice by log-likelihood: which option does a model find likeliest as the continuation of a question?

The numbers are those of lm-evaluation-harness 0.4.13 (`acc`, `acc_norm`). A local model reads what options and
questions begin with in common once: a question once for all its options, worked examples once for many
questions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from truenorth.base import UserError
from truenorth.records import Prompt
from truenorth.stats import Estimate, mean


class Continues(Protocol):
    """What this asks of a model (`LocalModel` fits)."""

    def continuation_logprobs(
        self, pairs: Sequence[tuple[Prompt, str]], *, tick: Callable[[int], None] | None = None
    ) -> list[tuple[float, ...]]:
        """Log-probabilities (nats) of each token of texts that may go on."""
        ...


class Question(NamedTuple):
    """A question and its options. Questions that share a source share a `cluster`; empty: one of its own."""

    id: str
    prompt: Prompt
    options: tuple[str, ...]
    answer: int  # 0-based
    cluster: str = ""


class Chosen(NamedTuple):
    """What a model makes of one question, in the order of its options; of equal ones the first is taken."""

    question: Question
    logprobs: tuple[float, ...]  # nats, the whole option

    @property
    def likeliest(self) -> int:
        return int(np.argmax(self.logprobs))

    @property
    def likeliest_by_length(self) -> int:
        """By nats a character of the option, without the separator."""
        return int(np.argmax([p / len(o) for p, o in zip(self.logprobs, self.question.options)]))


class MultipleChoice(NamedTuple):
    """`acc`: the likeliest option is the answer. `acc_norm`: the likeliest by nats a character is."""

    acc: Estimate
    acc_norm: Estimate
    chosen: tuple[Chosen, ...]


def multiple_choice(
    model: Continues,
    questions: Sequence[Question],
    *,
    separator: str = " ",
    level: float = 0.95,
    tick: Callable[[int], None] | None = None,
) -> MultipleChoice:
    """Accuracy over questions, with intervals over questions and clusters.

    Args:
        separator: between a plain-text prompt and an option; none for chats, whose options begin the answer.
        tick: called with the number of options just read.

    Raises:
        UserError: no questions, fewer than two options, an empty option, or an answer that is none of them.
    """
    if not questions:
        raise UserError("no questions", where="multiple choice")
    for q in questions:
        if len(q.options) < 2 or not all(q.options) or not 0 <= q.answer < len(q.options):
            what = f"answer {q.answer} of {len(q.options)} options {list(q.options)}"
            expected = "two options or more, none empty, and the number of one of them from 0"
            raise UserError(what, where=f"question {q.id}", expected=expected)
    pairs = [pair for q in questions for pair in asked(q, separator)]
    totals = iter([sum(row) for row in model.continuation_logprobs(pairs, tick=tick)])
    chosen = tuple(Chosen(q, tuple(next(totals) for _ in q.options)) for q in questions)
    clusters = [q.cluster or f"question {q.id}" for q in questions]
    acc, acc_norm = (
        mean([float(p == c.question.answer) for p, c in zip(picked, chosen)], clusters=clusters, level=level)
        for picked in ([c.likeliest for c in chosen], [c.likeliest_by_length for c in chosen])
    )
    return MultipleChoice(acc, acc_norm, chosen)


def asked(question: Question, separator: str = " ") -> list[tuple[Prompt, str]]:
    """The question with each of its options. Spaces that end a plain prompt go to the option, as in tokens."""
    prompt = question.prompt
    if not isinstance(prompt, str):
        return [(prompt, option) for option in question.options]
    trimmed = prompt.rstrip()
    lead = prompt[len(trimmed) :] + separator
    return [(trimmed, lead + option) for option in question.options]
