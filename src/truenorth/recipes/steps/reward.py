"""A reward model of pairs: a small head on the states of a model, which is not changed."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.judges import RewardJudge
from truenorth.models.local import LocalModel
from truenorth.recipes.run_limits import Count
from truenorth.recipes.run_work import Load, Pairs, Work
from truenorth.recipes.settings import Settings


def reward(pairs: Pairs, model: LocalModel, work: Work, *, most: Count = 1000) -> RewardJudge:
    """A judge that scores the chosen answers high and the rejected ones low, fitted on at most `most` pairs.

    Rows without a rejected answer teach it nothing.
    """
    told = [row.data for row in pairs if row.data["rejected"].strip()][:most]
    labels = [
        (d["prompt"], d[side], score) for d in told for side, score in (("chosen", 1.0), ("rejected", 0.0))
    ]
    judge = RewardJudge.fit(model, labels, seed=work.settings.seed, name="reward model of the recipe's pairs")
    work.count(
        "pairs that the reward model orders wrongly, per thousand",
        round(1000 * (1 - judge.out_of_fold.auc.mean)),
    )
    return judge


def forecast(rows: Sequence[float], settings: Settings, *, most: int = 1000) -> Load:
    return Load(0, reads=2 * min(most, rows[0]))
