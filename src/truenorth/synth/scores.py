"""Rows by what a judge says of them: how good an answer is, how hard a request, and which of them to keep.

A judge that does not answer leaves a row without a score: it is dropped as "no score", never as a low one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from truenorth.base import UserError
from truenorth.judges.protocol import Judge
from truenorth.records import Group, Prompt, Row, as_messages
from truenorth.synth.answers import answer_text
from truenorth.synth.diverse import unlike
from truenorth.synth.embed import Embed, ngrams
from truenorth.synth.filters import Filtered, keep, row_text

Score = float | None


class Turn(NamedTuple):
    """A request and its answer, and what came before."""

    before: Prompt
    request: str
    answer: str


def turns(row: Row) -> list[Turn]:
    """The exchanges of a row: prompt and completion (or chosen), or those of its messages."""
    if "messages" in row.data:
        said = as_messages(row.data["messages"])
    else:
        answer = next((row.data[name] for name in ("completion", "chosen") if name in row.data), "")
        said = [*as_messages(row.data["prompt"]), {"role": "assistant", "content": answer_text(answer)}]
    made = []
    for at, (asked, answered) in enumerate(pairwise(said)):
        if (asked["role"], answered["role"]) == ("user", "assistant"):
            made.append(Turn(said[: at + 1], asked["content"], answered["content"]))
    return made


def quality(rows: Sequence[Row], judge: Judge) -> list[list[Score]]:
    """For each row, the judge's score of each of its answers to what came before it."""
    return _asked(judge, [[Group(turn.before, [turn.answer]) for turn in turns(row)] for row in rows])


def complexity(rows: Sequence[Row], judge: Judge) -> list[list[Score]]:
    """For each row, the judge's score of each of its requests, given as the answer to an empty prompt."""
    return _asked(judge, [[Group("", [turn.request]) for turn in turns(row)] for row in rows])


def _asked(judge: Judge, groups: list[list[Group]]) -> list[list[Score]]:
    """One call of the judge for all."""
    flat = iter(judge.judge([group for of_row in groups for group in of_row]))
    return [[next(flat)[0].score for _ in of_row] for of_row in groups]


def evol_scores(complexities: Sequence[Sequence[Score]], qualities: Sequence[Sequence[Score]]) -> list[Score]:
    """Deita's score of each row: complexity times quality, summed over its turns; None where one is missing."""
    made: list[Score] = []
    for c_T, q_T in zip(complexities, qualities, strict=True):
        products = [c * q for c, q in zip(c_T, q_T, strict=True) if c is not None and q is not None]
        made.append(sum(products) if products and len(products) == len(c_T) else None)
    return made


def by_score(
    rows: Sequence[Row], scores: Sequence[Score], *, least: float | None = None, share: float | None = None
) -> Filtered:
    """Rows with a score of at least `least`, or the best `share` of those with a score (the first of equal ones),
    in their order. Reasons: "no score", "low".

    Raises:
        UserError: neither or both given, or a share not in (0, 1].
    """
    if (least is None) == (share is None) or (share is not None and not 0 < share <= 1):
        raise UserError(
            f"least {least}, share {share}", where="by_score", expected="one of them; share in (0, 1]"
        )
    known = [i for i, score in enumerate(scores) if score is not None]
    if share is not None:
        best = sorted(known, key=lambda i: -scores[i])[: round(share * len(known))]  # type: ignore[operator]
    else:
        best = [i for i in known if scores[i] >= least]  # type: ignore[operator]
    chosen = set(best)
    return keep(
        rows, ["" if i in chosen else "no score" if s is None else "low" for i, s in enumerate(scores)]
    )


def deita(
    rows: Sequence[Row],
    scores: Sequence[Score],
    limit: int,
    *,
    embed: Embed = ngrams,
    most: float = 0.9,
) -> Filtered:
    """The best `limit` rows by score of which none is too like a better one, in their order.

    Source: Liu et al., "What Makes Good Data for Alignment?" (2023): scores are `evol_scores`; a row stays if the
    cosine similarity of its embedding to every kept one is at most `most`. Reasons: "no score", "like a better one",
    "low" (there were enough before it). Its code takes 3.0 for a score that could not be read; here it is missing.

    Raises:
        UserError: `limit` below 0.
    """
    order = sorted((i for i, s in enumerate(scores) if s is not None), key=lambda i: -scores[i])  # type: ignore[operator]
    vectors = embed([row_text(rows[i]) for i in order])
    picks = unlike(np.asarray(vectors), most=most, limit=limit)
    last = picks[-1] if len(picks) == limit and picks else (-1 if limit == 0 else len(order))
    reasons = ["no score"] * len(rows)
    for place, i in enumerate(order):
        reasons[i] = "like a better one" if place < last else "low"
    for place in picks:
        reasons[order[place]] = ""
    return keep(rows, reasons)
