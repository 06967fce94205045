"""Items x model x judge: every answer kept with its score; nothing that failed is counted as a score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from truenorth.base import UserError
from truenorth.measure.scores import Answer, Item, Scores, scored
from truenorth.models.protocol import Model
from truenorth.records import Completion, Group, Judgement


class Judge(Protocol):
    """What evaluating asks of a judge (`truenorth.judges.Judge` fits)."""

    @property
    def name(self) -> str: ...

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]: ...


def evaluate(
    model: Model,
    items: Sequence[Item],
    judge: Judge | Mapping[str, Judge],
    *,
    n: int = 1,
    temperature: float = 1.0,
    max_tokens: int = 64,
    seed: int = 0,
    tick: Callable[[int], None] | None = None,
) -> Scores:
    """Sample `n` answers to each item and have them judged.

    An answer that never came (finish "error") is not shown to the judge: its score is None, with the reason.

    Args:
        judge: one for all items, or principle -> its judge. A composite's part for the item's principle is
            used where it has one.
        n: answers to an item; all of them share the item's cluster.

    Raises:
        UserError: no items, an id used twice, or a principle without a judge.
    """
    _check(items, judge)
    settings = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed, "tick": tick}
    completions = model.sample([item.prompt for item in items], n, **settings)  # type: ignore[arg-type]
    answers: list[list[Answer]] = [[] for _ in items]
    for principle in dict.fromkeys(item.principle for item in items):
        places = [i for i, item in enumerate(items) if item.principle == principle]
        chosen = judge[principle] if isinstance(judge, Mapping) else judge
        judged = _judge(chosen, [items[i] for i in places], [completions[i] for i in places])
        for i, judgements in zip(places, judged, strict=True):
            pairs = enumerate(zip(completions[i], judgements, strict=True))
            answers[i] = [scored(items[i], k, seed, completion, j) for k, (completion, j) in pairs]
    return Scores(model.name, tuple(answer for group in answers for answer in group))


def _judge(
    judge: Judge, items: Sequence[Item], completions: Sequence[Sequence[Completion]]
) -> list[list[Judgement]]:
    """One judgement per completion; those of answers that never came say so and have no score."""
    came = [[c for c in group if c.finish != "error"] for group in completions]
    asked = [i for i, group in enumerate(came) if group]
    verdicts = judge.judge([Group(items[i].prompt, [c.text for c in came[i]]) for i in asked])
    waiting = {i: iter(group) for i, group in zip(asked, verdicts, strict=True)}
    return [
        [
            Judgement(None, judge.name, reason=f"no answer: {c.error or 'error'}")
            if c.finish == "error"
            else next(waiting[i])
            for c in group
        ]
        for i, group in enumerate(completions)
    ]


def _check(items: Sequence[Item], judge: Judge | Mapping[str, Judge]) -> None:
    if not items:
        raise UserError("no items to evaluate", where="evaluate")
    ids = [item.id for item in items]
    if len(set(ids)) < len(ids):
        repeated = next(one for one in ids if ids.count(one) > 1)
        raise UserError(f"the item id {repeated!r} is used twice", where="evaluate")
    if isinstance(judge, Mapping):
        without = sorted({item.principle for item in items} - set(judge))
        if without:
            known = ", ".join(judge)
            raise UserError(
                f"no judge for {', '.join(without)}", where="evaluate", expected=f"one of {known}"
            )
