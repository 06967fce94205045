"""ROUGE-L, and a pool of texts that knows the most similar one it has: how Self-Instruct tells new from old.

The score is that of the rouge_score package (Lin 2004, section 3): the longest common subsequence of words over
the length of each text, and their harmonic mean. Words are letters and digits in lower case; unlike there, letters
of every script count, so that texts without any Latin letter are not all empty.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

WORD = re.compile(r"[^\W_]+")


class Overlap(NamedTuple):
    """Fractions: of the candidate that is in the reference, of the reference that is in the candidate, both."""

    precision: float
    recall: float
    f: float


def rouge_words(text: str) -> list[str]:
    """Runs of letters and digits, lower case: "Don't!" -> don, t."""
    return WORD.findall(text.lower())


def common(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence, a row of the table at a time in the bits of one number.

    Source: Hyyrö, "Bit-parallel LCS-length computation revisited" (2004), equation 6.

    >>> common("the cat sat on".split(), "the dog sat on".split())
    3
    """
    places: dict[str, int] = defaultdict(int)
    for i, word in enumerate(a):
        places[word] |= 1 << i
    row = whole = (1 << len(a)) - 1  # a 0 bit is a step of the table
    for word in b:
        if found := row & places.get(word, 0):
            row = ((row + found) | (row - found)) & whole
    return len(a) - row.bit_count()


def rouge_l(reference: str, candidate: str) -> Overlap:
    """ROUGE-L of two texts; all 0 where either has no word.

    >>> rouge_l("the cat sat", "the cat").recall  # two of three words
    0.6666666666666666
    """
    return _overlap(rouge_words(reference), rouge_words(candidate))


def _overlap(reference: Sequence[str], candidate: Sequence[str]) -> Overlap:
    shared = common(reference, candidate)
    if not shared:
        return Overlap(0.0, 0.0, 0.0)
    precision, recall = shared / len(candidate), shared / len(reference)
    return Overlap(precision, recall, 2 * precision * recall / (precision + recall))


class Pool:
    """Texts, and for a new one the highest ROUGE-L F with any of them.

    Exact: a text whose words, in any order, could not reach `above` with the new one is skipped, no other.
    """

    def __init__(self, texts: Iterable[str] = ()):
        self._texts: list[list[str]] = []
        self._length = array("q")
        self._with: dict[str, Places] = defaultdict(lambda: Places(array("q"), array("q")))
        for text in texts:
            self.add(text)

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, text: str) -> None:
        said = rouge_words(text)
        for word, times in Counter(said).items():
            self._with[word].texts.append(len(self._texts))
            self._with[word].times.append(times)
        self._texts.append(said)
        self._length.append(len(said))

    def highest(self, text: str, *, above: float = 0.0) -> float:
        """The highest F with a text of the pool, where it is more than `above`; else 0."""
        said = rouge_words(text)
        if not said or not self._texts:
            return 0.0
        shared_N = np.zeros(len(self._texts))
        for word, times in Counter(said).items():
            if word in self._with:
                at, theirs = (np.frombuffer(a, dtype=np.int64) for a in self._with[word])
                shared_N[at] += np.minimum(theirs, times)
        bound_N = 2 * shared_N / (np.frombuffer(self._length, dtype=np.int64) + len(said))
        best = 0.0
        near = np.flatnonzero(bound_N > above)
        for i in near[np.argsort(-bound_N[near], kind="stable")]:
            if bound_N[i] <= max(above, best):
                break
            found = _overlap(self._texts[i], said).f
            best = found if found > max(above, best) else best
        return best


class Places(NamedTuple):
    """Where a word stands: the texts, ascending, and how often in each."""

    texts: array[int]
    times: array[int]
