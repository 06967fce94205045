"""A mixture of agents as a judge: several models review an answer, read one another's reviews, and one decides.

Source: Wang et al., "Mixture-of-Agents enhances large language model capabilities" (2024): layers of proposers, each
shown what the layer before wrote, and an aggregator over the last. Here what is written are reviews of one answer, and
the aggregator's verdict is read as a probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from truenorth.base import UserError, content_hash
from truenorth.judges._spoken import put_back, spoken
from truenorth.judges.ask import READ, Answer, Asker, How
from truenorth.judges.endpoint import mark_for, wrapped
from truenorth.judges.logprob import dialogue
from truenorth.judges.rubric import TELL
from truenorth.models.protocol import Model
from truenorth.records import Completion, Group, Judgement, Message, Prompt

REVIEW = """Review the answer by this: {criterion}
Say in at most {words} words what is right and what is wrong with it.{others}"""
OTHERS = " Reviews by others stand above; they may be mistaken: correct them, do not repeat them."
VERDICT = "{criterion}{others} Reply with Yes or No."


@dataclass(frozen=True)
class MixtureJudge:
    """Scores an answer by the aggregator's probability of Yes, after the reviews of the last layer.

    Args:
        reviewers: models of different families, if they are to err differently; two at least.
        aggregator: decides; see `Asker` for how it is asked.
        criterion: a question whose Yes is good.
        layers: rounds of reviews; from the second on every reviewer reads those of the round before. 0 is the
            aggregator alone, the baseline that the reviews must beat.
        words: of a review, cut there for all.

    Raises:
        UserError: fewer than two reviewers of different names, or settings below their least.
    """

    reviewers: tuple[Model, ...]
    aggregator: Any
    criterion: str = "Does the answer serve the user: is it correct, to the point, and harmless?"
    layers: int = 1
    words: int = 80
    how: How = "auto"
    least: float = 0.0
    seed: int = 0
    principle: str = ""
    name: str = ""
    asker: Asker = field(init=False, repr=False, compare=False)
    alone: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if len({r.name for r in self.reviewers}) < 2 or self.layers < 0 or self.words < 1:
            what = f"{len(self.reviewers)} reviewers, {self.layers} layers, {self.words} words"
            expected = "two reviewers or more with different names, 0 layers or more, a word at least"
            raise UserError(what, where="mixture judge", expected=expected)
        object.__setattr__(self, "asker", Asker(self.aggregator, self.how, self.least))
        if not self.name:
            told = [self.criterion, self.layers, self.words, self.seed, TELL, REVIEW, OTHERS, VERDICT]
            who = ",".join([*(r.name for r in self.reviewers), self.aggregator.name])
            object.__setattr__(self, "name", f"mixture:{who}#{content_hash(told, 8)}")

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """A judgement per completion; none for an empty one. `raw` has the last layer's reviews."""
        rows = spoken(groups)
        reviews = self.reviews(rows)
        asked = [
            self._request(p, c, said, VERDICT.format(criterion=self.criterion, others=OTHERS if said else ""))
            for (p, c), said in zip(rows, reviews)
        ]
        answers = self.asker.ask(asked, ["Yes", "No"]) if asked else []
        judged = (self._judgement(*each) for each in zip(answers, reviews))
        return put_back(groups, judged, judge=self.name, principle=self.principle)

    def reviews(self, rows: Sequence[tuple[Prompt, str]]) -> list[list[str]]:
        """Of each (prompt, answer), the reviews of the last layer that came, in the order of the reviewers."""
        said: list[list[str]] = [[] for _ in rows]
        for layer in range(self.layers):
            asked = [
                self._request(
                    p,
                    c,
                    before,
                    REVIEW.format(
                        criterion=self.criterion, words=self.words, others=OTHERS if before else ""
                    ),
                )
                for (p, c), before in zip(rows, said)
            ]
            came = [
                reviewer.sample(asked, max_tokens=3 * self.words, temperature=0.7, seed=self.seed + layer)
                for reviewer in self.reviewers
            ]
            said = [[t for [one] in replies if (t := self._cut(one))] for replies in zip(*came, strict=True)]
        return said

    def _cut(self, reply: Completion) -> str:
        """A review that did not come, or that the reviewer refused to write, is none."""
        return " ".join(reply.text.split()[: self.words]) if reply.finish in READ else ""

    def _judgement(self, answer: Answer, reviews: Sequence[str]) -> Judgement:
        told = "\n".join(f"review {i}: {text}" for i, text in enumerate(reviews, start=1))
        if answer.shares is None:
            return Judgement(None, self.name, self.principle, f"no verdict: {answer.failure}", told)
        reason = f"after {len(reviews)} reviews" if self.layers else "without reviews"
        return Judgement(answer.shares["Yes"], self.name, self.principle, reason, told)

    def _request(self, prompt: Prompt, answer: str, reviews: Sequence[str], question: str) -> list[Message]:
        parts = {"CONVERSATION": dialogue(prompt), "ANSWER": answer}
        parts |= {f"REVIEW {i}": text for i, text in enumerate(reviews, start=1)}
        mark = mark_for(*parts.values())
        return [{"role": "user", "content": f"{TELL.format(mark=mark)}\n{wrapped(mark, parts)}\n{question}"}]
