"""How unlike one another texts are, measured in several ways: each alone is easy to satisfy.

Source for `vendi`: Friedman and Dieng, "The Vendi Score: A Diversity Evaluation Metric for Machine Learning" (2023,
arXiv:2210.02410), equation 2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from truenorth.base import UserError
from truenorth.stats import Estimate, mean
from truenorth.synth.embed import Embed, ngrams, unit
from truenorth.synth.shingles import normalise

TILE = 1024  # rows of similarities held at once


class Diversity(NamedTuple):
    """All but `nearest` grow with the number of texts: compare as many.

    openings: different beginnings. entropy: of the beginnings, nats: a few common ones count less than many even ones.
    nearest: mean cosine of a text to the one most like it. vendi: how many texts without any likeness are as
    diverse as these, from 1 (all the same) to `texts`.
    """

    texts: int
    openings: int
    entropy: float
    nearest: Estimate
    vendi: float


def diversity(
    texts: Sequence[str],
    *,
    words: int = 2,
    embed: Embed = ngrams,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> Diversity:
    """The diversity of two texts or more. Case, punctuation and spacing do not make a text new.

    Args:
        words: of a beginning.
        embed: texts to vectors; `hidden(model)` sees more than character n-grams.
        clusters: texts that were made together (of one persona), for the interval.

    Raises:
        UserError: fewer than two texts, or `words` below 1.

    >>> found = diversity(["Where is Ann?", "where is ann", "Bake bread!"])
    >>> found.openings, round(found.entropy, 3)
    (2, 0.637)
    """
    if len(texts) < 2 or words < 1:
        what = f"{len(texts)} texts, beginnings of {words} words"
        raise UserError(what, where="diversity", expected="two texts or more, one word or more")
    begins = [tuple(normalise(text).split()[:words]) for text in texts]
    x_ND = unit(embed(texts))
    return Diversity(
        len(texts),
        len(set(begins)),
        entropy(begins),
        mean(nearest_likeness(x_ND), clusters=clusters, level=level),
        vendi(x_ND),
    )


def entropy(things: Iterable[Hashable]) -> float:
    """Of the shares of different things, in nats: log n where n things are equally frequent."""
    counts = np.array(list(Counter(things).values()), float)
    shares = counts / counts.sum()
    return float(max(0.0, -(shares * np.log(shares)).sum()))


def nearest_likeness(x_ND: NDArray[Any]) -> list[float]:
    """Of each of the unit vectors, the cosine to the nearest other one."""
    found = np.empty(len(x_ND))
    for at in range(0, len(x_ND), TILE):
        like_TN = x_ND[at : at + TILE] @ x_ND.T
        rows = np.arange(len(like_TN))
        like_TN[rows, at + rows] = -1.0
        found[at : at + TILE] = like_TN.max(1)
    return [float(v) for v in found]


def vendi(x_ND: NDArray[Any]) -> float:
    """exp of the entropy of the eigenvalues of the similarities over N; rows of zeros are like nothing."""
    scaled_DD = x_ND.T.astype(np.float64) @ x_ND / len(x_ND)
    shares = np.linalg.eigvalsh(scaled_DD)
    shares = shares[shares > 1e-12]
    return float(np.exp(-(shares * np.log(shares)).sum()))
