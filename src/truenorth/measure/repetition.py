"""Does a model repeat itself, within an answer and from answer to answer?

Sources: distinct-n of Li et al. (2016); the share of repeated n-grams within a text (seq-rep-n) of Welleck et
al. (2020).
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from truenorth.stats import Estimate, mean

WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


class Repetition(NamedTuple):
    """Shares in [0, 1]. Distinct-n falls with the number of words: compare as many answers of like length."""

    distinct_1: float  # different words over all words of all texts
    distinct_2: float
    distinct_3: float
    repeated_4: Estimate  # share of a text's 4-grams that stood in it before; texts under 4 words abstain
    same_text: float  # share of texts that stood among the texts before


def repetition(texts: Sequence[str], *, clusters: Sequence[Hashable] | None = None) -> Repetition:
    """Repetition over texts, words in lower case, punctuation marks as words.

    >>> round(repetition(["a b c d a b c d"]).repeated_4.mean, 3)
    0.2
    """
    words = [WORD.findall(text.lower()) for text in texts]
    one, two, three = (_distinct([g for w in words for g in grams(w, n)]) for n in (1, 2, 3))
    long = [i for i, w in enumerate(words) if len(w) >= 4]
    return Repetition(
        one,
        two,
        three,
        repeated_4=mean(
            [1 - _distinct(grams(words[i], 4)) for i in long],
            clusters=None if clusters is None else [clusters[i] for i in long],
            abstained=len(texts) - len(long),
        ),
        same_text=1 - _distinct([tuple(w) for w in words]),
    )


def grams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """The n-grams of a text, in order."""
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def _distinct(things: Sequence[Hashable]) -> float:
    return len(set(things)) / len(things) if things else float("nan")
