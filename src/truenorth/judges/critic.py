"""A critic: which principle does an answer break most, where, and how sure is it; and step-by-step rewards.

The verdict on each principle is a probability (one question a principle, all of an answer in one pass); only for
those that break one is a written reason asked for, and what it quotes must stand in the answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

from truenorth.base import UserError, content_hash
from truenorth.constitution import Constitution
from truenorth.judges._spoken import put_back, spoken
from truenorth.judges.ask import Answer, Asker, How
from truenorth.judges.debate import QUOTE
from truenorth.judges.endpoint import mark_for, wrapped
from truenorth.judges.logprob import dialogue
from truenorth.judges.rubric import TELL, request
from truenorth.models.protocol import Model
from truenorth.records import Group, Judgement, Message, Prompt

FOLLOWS = 'Does the ANSWER follow this principle: "{statement}"? Reply with Yes or No.'
WHY = """The ANSWER breaks this principle: "{statement}". Say in two sentences how, and quote the words that break it as
<quote>...</quote>."""


@dataclass(frozen=True)
class CriticJudge:
    """The weakest principle decides: its probability of being followed is the score, and the verdict cites it.

    Args:
        principles: id -> statement.
        writer: writes the reasons of those below `broken_at`; without one there is none.

    Raises:
        UserError: there are no principles.
    """

    model: Any
    principles: dict[str, str]
    writer: Model | None = None
    broken_at: float = 0.5
    how: How = "auto"
    name: str = ""
    asker: Asker = field(init=False, repr=False, compare=False)
    alone: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.principles:
            raise UserError("no principles to judge by", where="critic")
        object.__setattr__(self, "asker", Asker(self.model, self.how))
        if not self.name:
            writer = self.writer.name if self.writer else ""
            label = content_hash([sorted(self.principles.items()), writer, self.broken_at, FOLLOWS, WHY], 8)
            object.__setattr__(self, "name", f"critic:{self.model.name}#{label}")

    @classmethod
    def of(cls, model: Any, constitution: Constitution, **settings: Any) -> CriticJudge:
        """A critic of a constitution's statements."""
        return cls(model, {p.id: p.statement for p in constitution.principles}, **settings)

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """A judgement per completion: `principle` is the one cited, `parts` has every principle's."""
        rows = spoken(groups)
        asked = [
            request(p, c, FOLLOWS.format(statement=s)) for p, c in rows for s in self.principles.values()
        ]
        answers = self.asker.ask(asked, ["Yes", "No"])
        step = len(self.principles)
        made = [self._verdict(answers[i * step : (i + 1) * step]) for i in range(len(rows))]
        return put_back(groups, self._explained(rows, made), judge=self.name)

    def _verdict(self, answers: Sequence[Answer]) -> Judgement:
        parts = tuple(
            Judgement(None if a.shares is None else a.shares["Yes"], self.name, principle, a.failure, a.raw)
            for principle, a in zip(self.principles, answers)
        )
        scored = [(p.score, i) for i, p in enumerate(parts) if p.score is not None]
        if not scored:
            return Judgement(None, self.name, reason="no principle got a verdict", parts=parts)
        score, i = min(scored)
        return Judgement(score, self.name, parts[i].principle, parts=parts)

    def _explained(self, rows: Sequence[tuple[Prompt, str]], made: list[Judgement]) -> list[Judgement]:
        broken = [i for i, j in enumerate(made) if j.score is not None and j.score < self.broken_at]
        if self.writer is None or not broken:
            return made
        asked = [request(*rows[i], WHY.format(statement=self.principles[made[i].principle])) for i in broken]
        for i, [reply] in zip(broken, self.writer.sample(asked, max_tokens=150, temperature=0.0)):
            made[i] = made[i]._replace(reason=grounded(reply.text, rows[i][1]), raw=reply.text)
        return made


def grounded(reason: str, answer: str) -> str:
    """The critic's reason; quotes that do not stand in the answer are marked as its own invention."""
    said = " ".join(answer.lower().split())

    def mark(match: re.Match[str]) -> str:
        quoted = " ".join(match[1].lower().split())
        return f'"{match[1]}"' if quoted and quoted in said else f'"{match[1]}" (not in the answer)'

    return QUOTE.sub(mark, reason.strip())


GOOD_STEP = "Is the STEP correct, given the conversation and the steps before it? Reply with Yes or No."
Over = Literal["lowest", "product", "last", "mean"]


class Steps(NamedTuple):
    """How an answer falls into steps, and each step's probability of being right."""

    texts: list[str]
    scores: list[float | None]


@dataclass(frozen=True)
class ProcessJudge:
    """Rewards each step of a worked solution; the answer's score is the lowest (or another of `over`).

    A step is a line that is not empty, or what stands between `separator`s. All steps of an answer share the
    computation of what comes before them. Source: Lightman et al., "Let's verify step by step" (2023), the product
    and the minimum over steps; Wang et al., "Math-Shepherd" (2024), the minimum.

    Raises:
        UserError: an unknown `over`.
    """

    model: Any
    over: Over = "lowest"
    separator: str = "\n"
    how: How = "auto"
    name: str = ""
    asker: Asker = field(init=False, repr=False, compare=False)
    alone: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.over not in ("lowest", "product", "last", "mean"):
            raise UserError(
                f"over={self.over!r}", where="process judge", expected="lowest, product, last, mean"
            )
        object.__setattr__(self, "asker", Asker(self.model, self.how))
        if not self.name:
            label = content_hash([self.over, self.separator, TELL, GOOD_STEP], 8)
            object.__setattr__(self, "name", f"process:{self.model.name}#{label}")

    def steps(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[Steps]:
        """Each answer's steps with their probabilities of being right; None where there was no verdict."""
        cut = [[s.strip() for s in a.split(self.separator) if s.strip()] for a in answers]
        asked = [
            self._request(p, steps[: k + 1]) for p, steps in zip(prompts, cut) for k in range(len(steps))
        ]
        found = iter(self.asker.ask(asked, ["Yes", "No"]))
        scores = [[None if (a := next(found)).shares is None else a.shares["Yes"] for _ in s] for s in cut]
        return [Steps(texts, values) for texts, values in zip(cut, scores)]

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """A judgement per completion; `parts` has every step's. A step without a verdict leaves no answer."""
        rows = [(g.prompt, c) for g in groups for c in g.completions]
        found = iter(self.steps([p for p, _ in rows], [c for _, c in rows]))
        return [[over_steps(next(found), self.over, self.name) for _ in g.completions] for g in groups]

    def _request(self, prompt: Prompt, steps: Sequence[str]) -> list[Message]:
        parts = {"CONVERSATION": dialogue(prompt)}
        parts |= {f"STEP {k}": text for k, text in enumerate(steps, start=1)}
        mark = mark_for(
            dialogue(prompt)
        )  # of the conversation alone: the steps before are shared as they stand
        told = f"{TELL.format(mark=mark)}\n{wrapped(mark, parts)}\n"
        return [{"role": "user", "content": told + GOOD_STEP.replace("STEP", f"STEP {len(steps)}", 1)}]


def over_steps(steps: Steps, over: Over, name: str) -> Judgement:
    """An answer's judgement from those of its steps; none where a step has no verdict."""
    parts = tuple(Judgement(s, name, raw=t) for t, s in zip(steps.texts, steps.scores))
    known = [s for s in steps.scores if s is not None]
    if not known or len(known) < len(steps.scores):
        return Judgement(None, name, reason="a step has no verdict" if parts else "no steps", parts=parts)
    product = 1.0
    for s in known:
        product *= s
    score = {"lowest": min(known), "product": product, "last": known[-1], "mean": sum(known) / len(known)}
    worst = steps.texts[known.index(min(known))]
    return Judgement(score[over], name, reason=f"weakest step: {worst[:80]}", parts=parts)
