"""A verdict read from the log-probabilities of the answer tokens: no sampling, nothing to parse."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from truenorth.base import UserError
from truenorth.judges._spoken import put_back, spoken
from truenorth.records import Group, Judgement, Message, Prompt, as_messages

QUESTION = """Question: {prompt}
Answer: {answer}
Does this answer follow the rule "{statement}"? Answer {yes} or {no}."""
COMPARISON = """Question: {prompt}
Answer {first}: {a}
Answer {second}: {b}
Which answer follows the rule "{statement}" better? Answer {first} or {second}."""


class AnswersLogprobs(Protocol):
    """What this judge needs of a model."""

    @property
    def name(self) -> str: ...

    def answer_logprobs(
        self, prompts: Sequence[Prompt], options: Sequence[str]
    ) -> list[dict[str, float] | None]:
        """For each prompt, log-probabilities (nats) of the options as the beginning of the answer."""
        ...


class Preference(NamedTuple):
    """A comparison made in both orders. `first` None: the orders disagree, or an order gave no verdict."""

    first: float | None  # probability that the first answer is better, over both orders
    in_order: float | None  # as asked
    swapped: float | None  # with the answers exchanged, mapped back
    consistent: bool | None  # both orders prefer the same answer; None where one gave no verdict


@dataclass(frozen=True)
class LogprobJudge:
    """Asks a model whether an answer follows a statement: P(yes) / (P(yes) + P(no)).

    Args:
        statement: what is asked about, such as a principle's statement.
        question: with {prompt}, {answer}, and perhaps {statement}, {yes}, {no}.
        comparison: with {prompt}, {a}, {b}, and perhaps {statement}, {first}, {second}.
        options: how yes and no begin; {yes} and {no} show them stripped. A leading space is part of the token
            for many tokenizers.
        pair_options: the same for the first and the second answer.
        threshold: least P(yes) + P(no) (or of the pair); below it the model did not answer. 0 keeps all.

    Raises:
        UserError: a template without what it must show, or two options that are equal.
    """

    model: AnswersLogprobs
    statement: str = ""
    question: str = QUESTION
    comparison: str = COMPARISON
    options: tuple[str, str] = ("Yes", "No")
    pair_options: tuple[str, str] = ("A", "B")
    threshold: float = 0.0
    principle: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        for field, text, needed in (
            ("question", self.question, ("{prompt}", "{answer}")),
            ("comparison", self.comparison, ("{prompt}", "{a}", "{b}")),
        ):
            if missing := [n for n in needed if n not in text]:
                raise UserError(f"no {', '.join(missing)} in {field}", where="log-prob judge")
        for pair in (self.options, self.pair_options):
            if pair[0] == pair[1]:
                raise UserError(f"options {pair} are equal", where="log-prob judge")
        if not self.name:
            object.__setattr__(self, "name", f"logprob:{self.model.name}")

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """A probability of yes per completion; none for an empty one, or below the threshold."""
        found = self._ask([self._question(p, c) for p, c in spoken(groups)], self.options)
        return put_back(groups, map(self._judgement, found), judge=self.name, principle=self.principle)

    def compare(self, prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]) -> list[Preference]:
        """Which answer is better, asked in both orders. Where the orders disagree there is no answer."""
        forward = [self._comparison(p, x, y) for p, x, y in zip(prompts, a, b, strict=True)]
        backward = [self._comparison(p, y, x) for p, x, y in zip(prompts, a, b, strict=True)]
        found = self._ask(forward + backward, self.pair_options)
        return [preference(x, y) for x, y in zip(found[: len(forward)], found[len(forward) :], strict=True)]

    def _judgement(self, score: float | None) -> Judgement:
        if score is None:
            return Judgement(None, self.name, self.principle, reason="neither option was among the answers")
        return Judgement(score, self.name, self.principle, raw=f"{self.options[0].strip()} {score:.4f}")

    def _ask(self, prompts: Sequence[Prompt], options: tuple[str, str]) -> list[float | None]:
        if not prompts:
            return []
        return [
            first_share(found, options, self.threshold)
            for found in self.model.answer_logprobs(prompts, options)
        ]

    def _question(self, prompt: Prompt, answer: str) -> list[Message]:
        yes, no = (o.strip() for o in self.options)
        known = {"prompt": dialogue(prompt), "answer": answer, "yes": yes, "no": no}
        return as_messages(fill(self.question, known | {"statement": self.statement}))

    def _comparison(self, prompt: Prompt, a: str, b: str) -> list[Message]:
        first, second = (o.strip() for o in self.pair_options)
        known = {"prompt": dialogue(prompt), "a": a, "b": b, "first": first, "second": second}
        return as_messages(fill(self.comparison, known | {"statement": self.statement}))


def first_share(
    found: Mapping[str, float] | None, options: tuple[str, str], threshold: float
) -> float | None:
    """P(first) / (P(first) + P(second)), in [0, 1]. An option left out is less likely than any shown: 0."""
    if found is None:
        return None
    first, second = (math.exp(found.get(o, -math.inf)) for o in options)
    return first / (first + second) if first + second > threshold else None


def preference(in_order: float | None, exchanged: float | None) -> Preference:
    """Both orders together; the mean where they agree. Exactly undecided orders agree with either side."""
    swapped = None if exchanged is None else 1 - exchanged
    if in_order is None or swapped is None:
        return Preference(None, in_order, swapped, None)
    consistent = (in_order - 0.5) * (swapped - 0.5) >= 0
    return Preference((in_order + swapped) / 2 if consistent else None, in_order, swapped, consistent)


def dialogue(prompt: Prompt) -> str:
    """A prompt as a judge reads it: the text, or the turns with their roles where there are several."""
    turns = as_messages(prompt)
    return (
        turns[0]["content"] if len(turns) == 1 else "\n".join(f"{m['role']}: {m['content']}" for m in turns)
    )


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with each {name} replaced once; braces inside the values stay as they are."""
    pieces, rest = [], template
    while rest:
        places = {name: at for name in values if (at := rest.find("{" + name + "}")) >= 0}
        if not places:
            break
        name = min(places, key=lambda n: places[n])
        pieces += [rest[: places[name]], values[name]]
        rest = rest[places[name] + len(name) + 2 :]
    return "".join([*pieces, rest])
