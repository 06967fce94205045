"""Several judges as one: their mean, their majority, or their votes weighted by how reliable each is.

Sources: Verga et al., "Replacing Judges with Juries" (2024), for the mean of small judges of different families;
Dawid and Skene (1979) for the weights; effective number of judges after Kish's design effect.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, Literal

import numpy as np

from truenorth.base import UserError
from truenorth.judges._prompts import plain_key
from truenorth.judges.protocol import Judge
from truenorth.records import Group, Judgement
from truenorth.stats import dawid_skene

Way = Literal["mean", "majority", "reliable"]


@dataclass(frozen=True)
class PanelJudge:
    """Asks every member and puts their scores together. A member without an answer takes no part.

    Args:
        way: "mean" of scores; "majority" of good (above `threshold`) against bad, a draw being no answer;
            "reliable": the probability of good by Dawid-Skene, which learns from the answers at hand, and from
            `gold` where there is some, how often each member errs in which direction.
        gold: (prompt key, answer) -> is it good; keys as `truenorth.judges.panel.key` makes them.
        least: members that must answer.

    Raises:
        UserError: fewer than two judges, two of one name, or an unknown `way`.
    """

    members: tuple[Judge, ...]
    way: Way = "mean"
    threshold: float = 0.5
    gold: Mapping[Hashable, bool] | None = None
    least: int = 1
    name: str = ""
    alone: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if len({m.name for m in self.members}) != len(self.members) or len(self.members) < 2:
            raise UserError("a panel has at least two judges with different names", where="panel")
        if self.way not in ("mean", "majority", "reliable"):
            raise UserError(f"way {self.way!r}", where="panel", expected="mean, majority or reliable")
        if not self.name:
            inside = ", ".join(m.name for m in self.members)
            object.__setattr__(self, "name", f"panel:{self.way}({inside})")

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """One judgement per completion; `parts` has every member's, in order."""
        by_member = [member.judge(groups) for member in self.members]
        parts = [
            tuple(verdicts[g][c] for verdicts in by_member)
            for g, group in enumerate(groups)
            for c in range(len(group.completions))
        ]
        keys = [key(g, c) for g in groups for c in g.completions]
        scores = iter(self._together(keys, parts))
        told = iter(parts)
        return [[self._judgement(next(scores), next(told)) for _ in g.completions] for g in groups]

    def _together(self, keys: list[Hashable], parts: list[tuple[Judgement, ...]]) -> list[float | None]:
        if self.way == "reliable":
            return self._reliable(keys, parts)
        combine = _mean if self.way == "mean" else _majority
        return [combine([p.score for p in row if p.score is not None], self.threshold) for row in parts]

    def _reliable(self, keys: list[Hashable], parts: list[tuple[Judgement, ...]]) -> list[float | None]:
        rows = [
            (k, p.judge, p.score > self.threshold)
            for k, row in zip(keys, parts)
            for p in row
            if p.score is not None
        ]
        if not rows:
            return [None] * len(keys)
        asked = set(keys)
        gold = {k: v for k, v in (self.gold or {}).items() if k in asked}
        crowd = dawid_skene(rows, gold=gold)
        if True not in crowd.labels:
            return [0.0 if k in crowd.items else None for k in keys]
        good = crowd.posterior[:, crowd.labels.index(True)]
        known = dict(zip(crowd.items, good.tolist()))
        return [known.get(k) for k in keys]

    def _judgement(self, score: float | None, parts: tuple[Judgement, ...]) -> Judgement:
        answered = [p for p in parts if p.score is not None]
        if len(answered) < self.least or score is None:
            return Judgement(None, self.name, reason=f"{len(answered)} of {len(parts)} answered", parts=parts)
        up = sum(p.score is not None and p.score > self.threshold for p in parts)
        return Judgement(score, self.name, reason=f"{up} of {len(answered)} say good", parts=parts)


def key(group: Group, completion: str) -> Hashable:
    """What an answer is known by in `gold`."""
    return plain_key(group.prompt), completion


def effective_judges(scores: Sequence[Sequence[float]]) -> float:
    """How many independent judges a panel is worth: J / (1 + (J - 1) r), r the mean correlation of their scores.

    >>> effective_judges([[0, 1, 0, 1], [0, 1, 0, 1]])
    1.0
    """
    count = len(scores)
    pairs = [np.corrcoef(a, b)[0, 1] for a, b in combinations(scores, 2) if np.std(a) > 0 and np.std(b) > 0]
    r = max(0.0, float(np.mean(pairs))) if pairs else 0.0
    return count / (1 + (count - 1) * r)


def _mean(scores: list[float], threshold: float) -> float | None:
    return sum(scores) / len(scores) if scores else None


def _majority(scores: list[float], threshold: float) -> float | None:
    up = sum(s > threshold for s in scores)
    return None if not scores or 2 * up == len(scores) else float(2 * up > len(scores))
