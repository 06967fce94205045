"""Items, answers and scores: what an evaluation keeps, so that any number can be computed from it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from truenorth.base import UserError
from truenorth.records import Completion, Judgement, Prompt, Row, Source
from truenorth.stats import Estimate, mean


@dataclass(frozen=True)
class Item:
    """One question of an evaluation. Items that share a source (an entity, a template) share a `cluster`."""

    id: str
    prompt: Prompt
    principle: str = ""  # what it measures
    cluster: str = ""  # empty: a cluster of its own

    @property
    def group(self) -> str:
        """The cluster, or else the item itself."""
        return self.cluster or f"item {self.id}"


class Answer(NamedTuple):
    """One answer to one item. `score` None: no answer came, or the judge gave none."""

    item: Item
    sample: int  # 0-based, among the n answers to this item
    seed: int
    completion: Completion
    score: float | None
    judge: str
    reason: str = ""

    @property
    def key(self) -> tuple[str, int, int]:
        """The same item, seed and sample of another model is compared with this one."""
        return self.item.id, self.seed, self.sample


@dataclass(frozen=True)
class Scores:
    """Every answer of one model, in the order of the items."""

    model: str
    answers: tuple[Answer, ...]

    @property
    def principles(self) -> tuple[str, ...]:
        """That the items measure, each once, in the order of the items."""
        return tuple(dict.fromkeys(answer.item.principle for answer in self.answers))

    def of(self, principle: str) -> Scores:
        """The answers that measure one principle."""
        return Scores(self.model, tuple(a for a in self.answers if a.item.principle == principle))

    def estimate(self, *, level: float = 0.95) -> Estimate:
        """The mean score, clustered by what the items share; an item's seeds and samples are one cluster."""
        known = [(a.score, a.item.group) for a in self.answers if a.score is not None]
        return mean(
            [score for score, _ in known],
            clusters=[group for _, group in known],
            level=level,
            abstained=len(self.answers) - len(known),
        )

    def estimates(self, *, level: float = 0.95) -> dict[str, Estimate]:
        """Principle -> its estimate."""
        return {name: self.of(name).estimate(level=level) for name in self.principles}

    def rows(self, *, constitution: str = "") -> list[Row]:
        """The answers as rows whose parents are the items."""
        return [_row(answer, self.model, constitution) for answer in self.answers]


def pool(scores: Sequence[Scores]) -> Scores:
    """Evaluations of the same model (or of models trained alike) under several seeds, as one.

    Answers to one item share its cluster whatever their seed, so more seeds do not make more items.

    Raises:
        UserError: the same item, seed and sample twice.
    """
    answers = tuple(answer for one in scores for answer in one.answers)
    if len({a.key for a in answers}) < len(answers):
        fix = "evaluate each with another seed"
        raise UserError("the same item, seed and sample twice", where="pool", fix=fix)
    return Scores(" + ".join(dict.fromkeys(one.model for one in scores)), answers)


def scored(item: Item, sample: int, seed: int, completion: Completion, judgement: Judgement) -> Answer:
    """An answer with the score that concerns its principle: a composite judge's part, else the whole."""
    part = next((p for p in judgement.parts if item.principle and p.principle == item.principle), judgement)
    return Answer(item, sample, seed, completion, part.score, judgement.judge, part.reason)


def _row(answer: Answer, model: str, constitution: str) -> Row:
    item = answer.item
    data = {
        "prompt": item.prompt,
        "completion": answer.completion.text,
        "finish": answer.completion.finish,
        "score": answer.score,
        "reason": answer.reason,
        "cluster": item.cluster,
        "sample": answer.sample,
    }
    return Row(
        data,
        Source(
            "measure",
            model=model,
            judge=answer.judge,
            principle=item.principle,
            constitution=constitution,
            seed=answer.seed,
            parents=(item.id,),
        ),
    )
