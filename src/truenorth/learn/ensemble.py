"""Several reward models as one: their mean, or a lower bound that does not trust what they disagree about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from truenorth.base import UserError
from truenorth.judges.protocol import Judge
from truenorth.records import Group, Judgement

How = Literal["mean", "worst", "uncertain"]


def combined(
    scores_NB: ArrayLike, how: How = "mean", *, weight: float = 1.0, unbiased: bool = False
) -> NDArray[np.float64]:
    """(B,) one score from N members' each.

    - `mean`
    - `worst`: the least, worst-case optimisation.
    - `uncertain`: mean - weight * variance, uncertainty-weighted optimisation.

    Members should be on one scale (standardise each on a common set); nothing is scaled here.

    Args:
        weight: 0.1 to 1 for best-of-n, 0.01 to 0.5 in reinforcement learning.
        unbiased: divide by N - 1 instead of N (the authors' PPO code; their best-of-n code does not).

    Source: Coste et al. 2023, "Reward model ensembles help mitigate overoptimization" (arXiv:2310.02743).

    >>> combined([[1.0, 2.0], [3.0, 2.0]], "uncertain", weight=0.5)
    array([1.5, 2. ])
    """
    values_NB = np.asarray(scores_NB, dtype=np.float64)
    if how == "worst":
        return values_NB.min(0)
    mean_B = values_NB.mean(0)
    if how == "mean":
        return mean_B
    return mean_B - weight * values_NB.var(0, ddof=1 if unbiased and len(values_NB) > 1 else 0)


@dataclass(frozen=True)
class EnsembleJudge:
    """Judges as one. An answer that a member has no score for gets none; the members' scores stand in `parts`."""

    members: Sequence[Judge]
    how: How = "uncertain"
    weight: float = 1.0
    name: str = "ensemble"

    def __post_init__(self) -> None:
        if not self.members:
            raise UserError("an ensemble of no judges", where=self.name)

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        said = [member.judge(groups) for member in self.members]
        return [
            [self._joined(parts) for parts in zip(*(of[g] for of in said), strict=True)]
            for g in range(len(groups))
        ]

    def _joined(self, parts: tuple[Judgement, ...]) -> Judgement:
        silent = [p for p in parts if p.score is None]
        if silent:
            why = f"{silent[0].judge}: {silent[0].reason}"
            return Judgement(None, self.name, reason=why, parts=parts)
        scores = [[p.score] for p in parts]
        score = float(combined(np.array(scores, dtype=float), self.how, weight=self.weight)[0])
        return Judgement(score, self.name, parts=parts)
