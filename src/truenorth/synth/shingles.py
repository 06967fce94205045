"""Texts as sets of hashed word runs, in two arrays: what near-duplicates are found with.

Words are hashed by their bytes (a table of random numbers, weighted by powers of an odd number, modulo 2^64), so
that a text's set depends on nothing but the text, and a million texts need no Python loop over words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from truenorth.judges.checks._text import words

CHUNK = 1 << 14  # texts hashed at once; their number within a chunk takes the upper 16 bits of a sort key
CHUNK_BYTES = 1 << 20  # about 40 MB of temporary arrays
BITS = 48  # of a hash: two of a million different shingles share one with probability 0.002
PRIME = 0x9E3779B97F4A7C15  # odd, so that its powers can be divided by

# Letters of scripts without spaces between words.
UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
Hashes = NDArray[np.uint64]


class Shingles(NamedTuple):
    """Set i is `values[starts[i]:starts[i + 1]]`: ascending, each once, below 2^48."""

    values: Hashes
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def sizes(self) -> NDArray[np.int64]:
        return np.diff(self.starts)

    def take(self, which: NDArray[np.int64]) -> Shingles:
        """These sets only, in this order."""
        sizes = self.sizes[which]
        if len(which) == len(self) and (which == np.arange(len(which))).all():
            return self
        return self._stacked([self.values[spans(self.starts[which], sizes)]], sizes)

    @classmethod
    def of(cls, sets: Iterable[Iterable[int]]) -> Shingles:
        """From any sets of numbers, modulo 2^48."""
        rows = [np.unique(np.array(sorted(s), dtype=np.uint64) & _ones(BITS)) for s in sets]
        return cls._stacked(rows, [len(row) for row in rows])

    @classmethod
    def _stacked(cls, values: Sequence[Hashes], sizes: Sequence[int] | NDArray[np.int64]) -> Shingles:
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return cls(np.concatenate([*values, np.empty(0, np.uint64)]), starts)


class Hashed(NamedTuple):
    """`whole` (N,): a 64-bit hash of each text, 0 for one without words; `sets`: its word runs."""

    whole: Hashes
    sets: Shingles


def normalise(text: str) -> str:
    """Words in lower case, joined by single spaces: case, punctuation and spacing do not make a text new.

    Where a script puts no spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) each letter is a word.
    """
    if not text.isascii():
        text = UNSPACED.sub(r" \g<0> ", unicodedata.normalize("NFKC", text))
    return " ".join(words(text))


def hashed(texts: Iterable[str], n: int) -> Hashed:
    """Hashes of texts and of their runs of `n` words, read once; a shorter text is one run.

    Memory: 8 bytes a text and a run, whatever the texts weigh.
    """
    parts = [_chunk(plain, n) for plain in _chunks(normalise(text) for text in texts)]
    whole = np.concatenate([np.empty(0, np.uint64), *(part.whole for part in parts)])
    sizes = np.concatenate([np.empty(0, np.int64), *(part.sets.sizes for part in parts)])
    return Hashed(whole, Shingles._stacked([part.sets.values for part in parts], sizes))


def _chunks(texts: Iterator[str]) -> Iterator[list[str]]:
    """Lists of at most CHUNK texts and about CHUNK_BYTES characters."""
    held: list[str] = []
    size = 0
    while batch := list(islice(texts, 256)):
        for text in batch:
            if held and (size + len(text) > CHUNK_BYTES or len(held) == CHUNK):
                yield held
                held, size = [], 0
            held.append(text)
            size += len(text)
    if held:
        yield held


class Runs(NamedTuple):
    """Every run of words of many texts, in order: its 64-bit hash, the text it is of, and its first word's place."""

    values: Hashes
    text: NDArray[np.int64]
    place: NDArray[np.int64]


def word_runs(texts: Sequence[str], n: int) -> Runs:
    """The runs of `n` words of each text; a text with fewer words has none."""
    found: list[Runs] = []
    before = 0
    for plain in _chunks(normalise(text) for text in texts):
        _, word_W, line_W = _words(plain)
        count_L = np.bincount(line_W, minlength=len(plain))
        runs = _runs(word_W, line_W, count_L, n)
        whole = (count_L[runs.text] >= n) & (np.array([bool(text) for text in plain])[runs.text])
        found.append(Runs(runs.values[whole], runs.text[whole] + before, runs.place[whole]))
        before += len(plain)
    return (
        Runs(*(np.concatenate(part) for part in zip(*found))) if found else Runs(*np.zeros((3, 0), np.uint64))
    )


def _chunk(plain: Sequence[str], n: int) -> Hashed:
    """The hashes of normalised texts: words parted by single spaces."""
    whole, word_W, line_W = _words(plain)
    run_R, line_R, _ = _runs(word_W, line_W, np.bincount(line_W, minlength=len(plain)), n)
    key_R = np.sort((line_R.astype(np.uint64) << np.uint64(BITS)) | (run_R >> np.uint64(64 - BITS)))
    key_R = key_R[np.concatenate([[True], key_R[1:] != key_R[:-1]])]
    sizes = np.bincount((key_R >> np.uint64(BITS)).astype(np.int64), minlength=len(plain))
    return Hashed(whole, Shingles._stacked([key_R & _ones(BITS)], sizes))


def _words(plain: Sequence[str]) -> tuple[Hashes, Hashes, NDArray[np.int64]]:
    """Of normalised texts: a hash of each text, 0 if empty; of each word, in order; and the text each word is of."""
    data = np.frombuffer(("\n".join(plain) + "\n").encode(errors="surrogatepass"), np.uint8)
    line_ends = np.flatnonzero(data == 10)
    word_ends = np.flatnonzero((data == 10) | (data == 32))
    spans = Spans.of(data)
    word_W = mixed(spans.hash(np.concatenate([[0], word_ends[:-1] + 1]), word_ends))
    line_starts = np.concatenate([[0], line_ends[:-1] + 1])
    whole = mixed(spans.hash(line_starts, line_ends))
    whole[line_starts == line_ends] = 0
    return whole, word_W, np.searchsorted(line_ends, word_ends)


def _runs(word_W: Hashes, line_W: NDArray[np.int64], count_L: NDArray[np.int64], n: int) -> Runs:
    """Every run of `n` words within a line; the whole line where it is shorter."""
    place_W = np.arange(len(line_W)) - np.repeat(np.cumsum(count_L) - count_L, count_L)
    at_R = np.flatnonzero(place_W <= np.maximum(count_L[line_W] - n, 0))
    left_R = count_L[line_W[at_R]] - place_W[at_R]  # words to the end of the line
    run_R = word_W[at_R]
    for k in range(1, n):
        more = k < left_R
        run_R[more] = mixed(run_R[more] + np.uint64(PRIME) * word_W[at_R[more] + k])
    return Runs(run_R, line_W[at_R], place_W[at_R])


class Spans(NamedTuple):
    """Hashes of any span of bytes, from running sums."""

    sums: Hashes
    inverse: Hashes

    @classmethod
    def of(cls, data: NDArray[np.uint8]) -> Spans:
        power, inverse = _powers(1 << len(data).bit_length())
        weighed = _table()[data]
        weighed *= power[: len(data)]
        return cls(np.concatenate([np.zeros(1, np.uint64), np.cumsum(weighed)]), inverse)

    def hash(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Hashes:
        return (self.sums[ends] - self.sums[starts]) * self.inverse[starts]


def mixed(x: Hashes) -> Hashes:
    """Every bit of the result depends on every bit of `x`, one to one (the finaliser of splitmix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@lru_cache(maxsize=1)
def _table() -> Hashes:
    """A random number for each byte."""
    return mixed(np.arange(1, 257, dtype=np.uint64) * np.uint64(PRIME))


@lru_cache(maxsize=1)
def _powers(count: int) -> tuple[Hashes, Hashes]:
    """Powers of the odd number and of its inverse, modulo 2^64."""
    both = []
    for base in (PRIME, pow(PRIME, -1, 1 << 64)):
        powers = np.full(count, base, dtype=np.uint64)
        powers[0] = 1
        both.append(np.cumprod(powers))
    return both[0], both[1]


def spans(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every number of each span, one span after another.

    >>> spans(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(int(counts.sum()))


def _ones(bits: int) -> np.uint64:
    return np.uint64((1 << bits) - 1)
