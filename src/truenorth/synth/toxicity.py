"""A toxicity pre-filter from few labels and many unlabelled texts, in two stages, and the schemes labels come in.

Stage one: two classifiers that see different things (words, and pieces of words) learn from the labels. Stage two: what
both of them are sure of, and agree on, is learned too, as in the making of SOLID (Rosenthal et al., "SOLID: A
Large-Scale Semi-Supervised Dataset for Offensive Language Identification", 2021: democratic co-training, kept
where the models' spread is small). The threshold is set on labels that neither stage has seen.

A classifier of words also flags words of the groups that are insulted: look at `data balance` on what it drops.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from truenorth.base import UserError, seed_of
from truenorth.judges._head import logistic
from truenorth.judges.text_classifier import ROUNDS, presence, vocabulary
from truenorth.stats import Estimate, rate
from truenorth.synth.embed import BATCH, ngrams

Floats = NDArray[np.float64]
STRENGTH = 3.0  # of the L2 penalty
WIDTH = 2048  # counters of pieces of words
LEAST = 20  # labelled texts of each side
OLID = {"a": ("OFF", "NOT"), "b": ("TIN", "UNT"), "c": ("IND", "GRP", "OTH")}
ATTRIBUTES = ("TOXICITY", "SEVERE_TOXICITY", "IDENTITY_ATTACK", "INSULT", "PROFANITY", "THREAT")


@dataclass(frozen=True)
class Views:
    """Two classifiers of one label: by words and word pairs, by hashed pieces of words."""

    columns: Mapping[str, int]
    words: tuple[Floats, float]
    pieces: tuple[Floats, float]

    @classmethod
    def fit(cls, texts: Sequence[str], labels: NDArray[np.bool_]) -> Views:
        columns, y_N = vocabulary(texts), labels.astype(np.float64)
        words = logistic(presence(texts, columns), y_N, STRENGTH, rounds=ROUNDS)
        return cls(columns, words, logistic(_pieces(texts), y_N, 0.1, rounds=ROUNDS))

    def probabilities(self, texts: Sequence[str]) -> Floats:
        """(2, N): each view's probability of toxic."""
        x_NF, pieces_NW = presence(texts, self.columns), _pieces(texts)
        return np.stack(
            [expit(x_NF @ self.words[0] + self.words[1]), expit(pieces_NW @ self.pieces[0] + self.pieces[1])]
        )


class Threshold(NamedTuple):
    """`at`: the probability from which a text is flagged; `recall` of toxic texts and `alarms` among others, on labels
    not trained on."""

    at: float
    recall: Estimate
    alarms: Estimate


@dataclass(frozen=True)
class Prefilter:
    """Flags texts by the mean of both views. `learned`: unlabelled texts that stage two learned as (toxic, not)."""

    views: Views
    threshold: Threshold
    learned: tuple[int, int]

    def scores(self, texts: Sequence[str]) -> Floats:
        """(N,) probability of toxic."""
        return self.views.probabilities(texts).mean(axis=0)

    def flagged(self, texts: Iterable[str]) -> Iterator[str]:
        """For each text of a stream "toxic" or ""."""
        stream = iter(texts)
        while batch := list(islice(stream, BATCH)):
            yield from ("toxic" if p >= self.threshold.at else "" for p in self.scores(batch))


def two_stage(
    texts: Sequence[str],
    labels: Sequence[bool],
    unlabelled: Sequence[str] = (),
    *,
    recall: float = 0.9,
    sure: float = 0.9,
    spread: float = 0.1,
    held_out: float = 0.3,
    seed: int = 0,
) -> Prefilter:
    """Fit both stages; without unlabelled texts, the first one only.

    Args:
        recall: share of toxic texts to flag, on the labels held out.
        sure: mean probability of one side from which an unlabelled text is learned.
        spread: most difference between the views at which it is.
        held_out: share of the labels that set the threshold.

    Raises:
        UserError: fewer than 20 labelled texts of a side to learn from, or settings out of range.
    """
    if not (0 < recall < 1 and 0.5 < sure < 1 and 0 < spread <= 1 and 0 < held_out < 1):
        what = f"recall {recall}, sure {sure}, spread {spread}, held_out {held_out}"
        raise UserError(what, where="two_stage", expected="sure in (0.5, 1), the others in (0, 1)")
    y_N = np.asarray(labels, bool)
    draws = np.array([seed_of("toxicity", seed, text) for text in texts], dtype=np.uint64)
    tests_N = np.zeros(len(y_N), bool)
    for side in (y_N, ~y_N):  # as many of each side as it has
        rows = np.flatnonzero(side)
        tests_N[rows[np.argsort(draws[rows], kind="stable")][: round(held_out * len(rows))]] = True
    known = [text for text, test in zip(texts, tests_N) if not test]
    if min(y_N[~tests_N].sum(), (~y_N[~tests_N]).sum()) < LEAST:
        what = f"{y_N[~tests_N].sum()} toxic and {(~y_N[~tests_N]).sum()} other texts to learn from"
        raise UserError(what, where="two_stage", expected=f"at least {LEAST} of each")
    views = Views.fit(known, y_N[~tests_N])
    learned = (0, 0)
    if unlabelled:
        views, learned = _second(views, known, y_N[~tests_N], unlabelled, sure=sure, spread=spread)
    score_T = views.probabilities([text for text, test in zip(texts, tests_N) if test]).mean(axis=0)
    return Prefilter(views, threshold(score_T, y_N[tests_N], recall=recall), learned)


def _second(
    views: Views,
    known: list[str],
    y_N: NDArray[np.bool_],
    unlabelled: Sequence[str],
    *,
    sure: float,
    spread: float,
) -> tuple[Views, tuple[int, int]]:
    """Both views again, on the labels and on what they are sure of together, in the labels' proportion at most."""
    p_2U = views.probabilities(unlabelled)
    mean_U, agree_U = p_2U.mean(axis=0), np.abs(p_2U[0] - p_2U[1]) <= spread
    toxic = np.flatnonzero(agree_U & (mean_U >= sure))
    other = np.flatnonzero(agree_U & (mean_U <= 1 - sure))
    most = round(max(len(toxic), 1) * (~y_N).sum() / y_N.sum())  # else the easy side drowns the other
    other = other[np.argsort(mean_U[other], kind="stable")][:most]
    texts = [*known, *(unlabelled[i] for i in [*toxic, *other])]
    labels = np.concatenate([y_N, np.ones(len(toxic), bool), np.zeros(len(other), bool)])
    return Views.fit(texts, labels), (len(toxic), len(other))


def threshold(scores: Floats, labels: NDArray[np.bool_], *, recall: float) -> Threshold:
    """The highest threshold that flags at least this share of the toxic texts."""
    toxic = np.sort(scores[labels])
    at = float(toxic[int(np.floor((1 - recall) * len(toxic)))])
    flagged = scores >= at
    hit, alarm = int((flagged & labels).sum()), int((flagged & ~labels).sum())
    return Threshold(at, rate(hit, int(labels.sum())), rate(alarm, int((~labels).sum())))


def olid(a: str | None, b: str | None = None, c: str | None = None) -> dict[str, bool | None]:
    """The attributes that an OLID label says something of: is it offensive, an insult at somebody, at a group?

    Level A: OFF or NOT; B, of offensive texts: TIN (targeted) or UNT; C, of targeted ones: IND, GRP or OTH.
    Source: Zampieri et al., "Predicting the Type and Target of Offensive Posts in Social Media" (2019).

    Raises:
        UserError: an unknown label, or a level without the one above it.

    >>> olid("OFF", "TIN", "GRP")
    {'TOXICITY': True, 'INSULT': True, 'IDENTITY_ATTACK': True}
    """
    given = {"a": a, "b": b, "c": c}
    for level, label in given.items():
        if label is not None and label not in OLID[level]:
            raise UserError(
                f"level {level.upper()} {label!r}", where="OLID", expected=" or ".join(OLID[level])
            )
    if (b is not None and a != "OFF") or (c is not None and b != "TIN"):
        raise UserError(f"levels {a}, {b}, {c}", where="OLID", expected="B only of OFF, C only of TIN")
    toxic = None if a is None else a == "OFF"
    insult = False if toxic is False else None if b is None else b == "TIN"
    identity = False if insult is False else None if c is None else c == "GRP"
    return {"TOXICITY": toxic, "INSULT": insult, "IDENTITY_ATTACK": identity}


def perspective(scores: Mapping[str, float | None], *, at: float = 0.5) -> dict[str, bool | None]:
    """Which of Perspective's attributes hold: scores in [0, 1] from `at` on; a score that is missing stays missing.

    Source: Perspective API, "Attributes and languages": production attributes; scores are probabilities that a
    reader perceives the attribute, and change with the service's versions.

    Raises:
        UserError: an unknown attribute, or a score outside [0, 1].
    """
    for name, score in scores.items():
        if name not in ATTRIBUTES:
            raise UserError(
                f"unknown attribute {name!r}", where="Perspective", expected=", ".join(ATTRIBUTES)
            )
        if score is not None and not 0 <= score <= 1:
            raise UserError(f"{name} {score}", where="Perspective", expected="a score in [0, 1]")
    return {name: None if score is None else score >= at for name, score in scores.items()}


def _pieces(texts: Sequence[str]) -> NDArray[np.float64]:
    """(N, WIDTH), rows of length about 10: the penalty is on the scale of a word's."""
    return 10.0 * ngrams(texts, size=WIDTH).astype(np.float64)
