"""A judge that learns from another judge's verdicts, and may trust itself where it is sure: weak-to-strong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from truenorth.base import seed_of
from truenorth.judges import Judge, RewardJudge
from truenorth.judges.answer_confidence import AnswerConfidence, read
from truenorth.models.local import LocalModel
from truenorth.recipes.run_limits import Amount, Count, Share
from truenorth.recipes.run_work import Load, Verdicts, Work
from truenorth.recipes.settings import Settings
from truenorth.records import Prompt

T = TypeVar("T")


class Kept(Judge, Protocol):
    """A judge that can be saved."""

    def save(self, folder: str | Path) -> Path: ...


class Taught(NamedTuple, Generic[T]):
    """What was fitted, and what it says of each row when it is fitted without that row."""

    judge: T
    own_N: np.ndarray


def student(
    verdicts: Verdicts,
    model: LocalModel,
    work: Work,
    *,
    confidence: Share = 0.5,
    rounds: Amount = 3,
    most: Count = 400,
    likelihood: bool = False,
) -> Kept:
    """A head on the model's states, fitted on the scores of at most `most` verdicts.

    Args:
        confidence: weight of the student's own hard verdicts in the end; it rises to it linearly over the rounds. 0
            is plain imitation.
        rounds: fits after the first, each to targets mixed anew.
        likelihood: the head also reads how likely the model finds the answer (`AnswerConfidence`): whether an answer
            is true is hardly to be seen in its states, and a student without it repeats the weak one's mistakes.
    """
    scored = [row for row in verdicts if row.data["score"] is not None]
    scored.sort(key=lambda row: seed_of("student", work.settings.seed, row.id))
    kept = scored[:most]
    weak_N = np.array([row.data["score"] for row in kept], dtype=np.float64)
    pairs = [(row.data["prompt"], row.data["completion"]) for row in kept]
    fit = _with_likelihood(model, pairs, work) if likelihood else _of_states(model, pairs, work)
    return taught(fit, weak_N, confidence=confidence, rounds=rounds)


def taught(
    fit: Callable[[np.ndarray], Taught[T]], weak_N: np.ndarray, *, confidence: float, rounds: int = 3
) -> T:
    """What `fit` makes of weak labels with the auxiliary confidence loss.

    Args:
        fit: makes something of targets in [0, 1]. A row's own verdict is that of a fit which was made without it:
            what a head was fitted to it repeats, with the weak one's mistakes.

    Source: Burns et al. 2023 (arXiv:2312.09390), appendix A.4, and its released loss.py. There the target is mixed at
    every gradient step, and its share of the student rises over the first fifth of them; a head that is fitted to the
    end is fitted anew instead.
    """
    found = fit(weak_N)
    for number in range(1, rounds + 1 if confidence else 0):
        found = fit(mixed(weak_N, found.own_N, confidence * number / rounds))
    return found.judge


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


Pairs = Sequence[tuple[Prompt, str]]


def _of_states(model: LocalModel, pairs: Pairs, work: Work) -> Callable[[np.ndarray], Taught[Kept]]:
    def fit(target_N: np.ndarray) -> Taught[Kept]:
        judge = RewardJudge.fit(model, labelled(pairs, target_N), seed=work.settings.seed)
        return Taught(judge, np.array(judge.out_of_fold.probabilities))

    return fit


def _with_likelihood(model: LocalModel, pairs: Pairs, work: Work) -> Callable[[np.ndarray], Taught[Kept]]:
    reading = read(model, pairs)

    def fit(target_N: np.ndarray) -> Taught[Kept]:
        labels = labelled(pairs, target_N)
        judge = AnswerConfidence.fit(model, labels, seed=work.settings.seed, reading=reading)
        return Taught(judge, np.array(judge.own))

    return fit


def labelled(pairs: Pairs, target_N: np.ndarray) -> list[tuple[Prompt, str, float]]:
    return [(prompt, answer, float(t)) for (prompt, answer), t in zip(pairs, target_N, strict=True)]


def forecast(rows: Sequence[float], settings: Settings, **given: float) -> Load:
    most = min(rows[0], given.get("most", 400))
    return Load(0, reads=most * (2 if given.get("likelihood") else 1 + given.get("rounds", 3)))
