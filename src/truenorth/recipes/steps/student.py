"""A judge that learns from another judge's verdicts, and may trust itself where it is sure: weak-to-strong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from truenorth.base import seed_of
from truenorth.judges import RewardJudge
from truenorth.models.local import LocalModel
from truenorth.recipes.run_work import Load, Verdicts, Work
from truenorth.recipes.settings import Settings
from truenorth.records import Row


def student(
    verdicts: Verdicts,
    model: LocalModel,
    work: Work,
    *,
    confidence: float = 0.5,
    rounds: int = 3,
    most: int = 400,
) -> RewardJudge:
    """A head on the model's states, fitted on the scores of at most `most` verdicts.

    Args:
        confidence: weight of the student's own hard verdicts in the end; it rises to it linearly over the rounds. 0
            is plain imitation.
        rounds: fits after the first, each to targets mixed anew. A row's own verdict is that of a head which was
            fitted without it: what a head was fitted to it repeats, with the weak one's mistakes.

    Source: Burns et al. 2023 (arXiv:2312.09390), appendix A.4, the auxiliary confidence loss, and its released
    loss.py. There the target is mixed at every gradient step; a head that is fitted to the end is fitted anew instead.
    """
    scored = [row for row in verdicts if row.data["score"] is not None]
    scored.sort(key=lambda row: seed_of("student", work.settings.seed, row.id))
    kept = scored[:most]
    weak_N = np.array([row.data["score"] for row in kept], dtype=np.float64)
    judge = _fit(model, kept, weak_N, work)
    for number in range(1, rounds + 1 if confidence else 0):
        share = confidence * number / rounds
        own_N = np.array(judge.out_of_fold.probabilities)
        judge = _fit(model, kept, mixed(weak_N, own_N, share), work)
    return judge


def mixed(weak_N: np.ndarray, own_N: np.ndarray, share: float) -> np.ndarray:
    """Targets: weak labels, and for the `share` the student's own verdict, hardened where as many are good as the weak
    labels say.

    >>> mixed(np.array([0.9, 0.6, 0.1, 0.4]), np.array([0.8, 0.3, 0.2, 0.7]), 0.5).tolist()
    [0.95, 0.3, 0.05, 0.7]
    """
    good = round(float(weak_N.sum()))
    order = np.argsort(-own_N, kind="stable")
    hard_N = np.zeros(len(own_N))
    hard_N[order[:good]] = 1.0
    return np.round((1 - share) * weak_N + share * hard_N, 12)


def _fit(model: LocalModel, rows: Sequence[Row], target_N: np.ndarray, work: Work) -> RewardJudge:
    labels = [(r.data["prompt"], r.data["completion"], float(t)) for r, t in zip(rows, target_N, strict=True)]
    return RewardJudge.fit(model, labels, seed=work.settings.seed)


def forecast(rows: Sequence[float], settings: Settings, **given: float) -> Load:
    most = min(rows[0], given.get("most", 400))
    return Load(0, reads=most * (1 + given.get("rounds", 3)))
