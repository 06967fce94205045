"""Answers to one prompt that have scores: which can be compared, and which with which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from truenorth.base import seed_of
from truenorth.judges import Judge
from truenorth.judges._prompts import plain_key
from truenorth.records import Group, Judgement, Row
from truenorth.synth.answers import answer_text
from truenorth.synth.dedupe import normalise
from truenorth.synth.filters import row_prompt


class Candidate(NamedTuple):
    """A completion that has a score."""

    score: float
    text: str
    row: Row
    judgement: Judgement


def by_prompt(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows with equal prompts together, in order of first appearance."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(plain_key(row_prompt(row)), []).append(row)
    return list(groups.values())


def judged(rows: Sequence[Row], judge: Judge) -> list[tuple[list[Row], list[Judgement]]]:
    """Answers of each prompt together, with the judge's verdict on each."""
    groups = by_prompt(rows)
    asked = [Group(row_prompt(g[0]), [answer_text(row.data["completion"]) for row in g]) for g in groups]
    return list(zip(groups, judge.judge(asked), strict=True)) if groups else []


def candidates(rows: Sequence[Row], judgements: Sequence[Judgement], *, seed: int) -> list[Candidate]:
    """Scored, distinct, non-empty completions, best first; equal scores in an order drawn by seed.

    Of equal texts the first by row id stays; their scores should not differ, and where they do (a judge that
    does not repeat itself) the text is left out.
    """
    found: dict[str, list[Candidate]] = {}
    for row, judgement in zip(rows, judgements, strict=True):
        text = answer_text(row.data["completion"])
        if judgement.score is not None and text.strip():
            one = Candidate(judgement.score, text, row, judgement)
            found.setdefault(normalise(text) or text, []).append(one)
    steady = [
        min(same, key=lambda c: c.row.id) for same in found.values() if len({c.score for c in same}) == 1
    ]
    return sorted(steady, key=lambda c: (-c.score, seed_of(seed, c.text)))


def decided_by(chosen: Judgement, rejected: Judgement) -> str | None:
    """The principle that set two completions apart; "" for judges without principles, None if none did.

    Among principles that answered for both, the one that decided on the rejected answer if it prefers the
    chosen one, else the one that prefers it most. An abstention on one side is no reason to prefer the other.
    """
    if not chosen.parts or not rejected.parts:
        return rejected.principle or chosen.principle
    better = {p.principle: p.score for p in chosen.parts if p.score is not None}
    gaps = {
        p.principle: better[p.principle] - p.score
        for p in rejected.parts
        if p.score is not None and p.principle in better
    }
    if gaps.get(rejected.principle, 0.0) > 0:
        return rejected.principle
    best = max(gaps, key=lambda name: gaps[name], default=None)
    return best if best is not None and gaps[best] > 0 else None


def coupled(
    ranked: Sequence[Candidate], margin: float, near_length: float
) -> tuple[list[tuple[Candidate, Candidate]], str]:
    """Candidates, best first, in twos that differ by more than the margin; and why there are none."""
    if len(ranked) < 2:
        return [], "one answer" if ranked else "no scores"
    if not near_length:
        couples = list(zip(ranked, reversed(ranked)))[: len(ranked) // 2]
        apart = [(a, b) for a, b in couples if a.score - b.score > margin]
        return apart, "" if apart else "tie"
    left, found = list(ranked), []
    while left:
        best, *left = left
        worse = [b for b in left if best.score - b.score > margin]
        near = min(worse, key=lambda b: (_ratio(best, b), b.score), default=None)
        if near is not None and _ratio(best, near) <= near_length:
            found.append((best, near))
            left.remove(near)
    reason = "lengths differ" if ranked[0].score - ranked[-1].score > margin else "tie"
    return found, "" if found else reason


def _ratio(a: Candidate, b: Candidate) -> float:
    """Words of the longer answer over those of the shorter."""
    short, long = sorted((len(a.text.split()), len(b.text.split())))
    return long / short
