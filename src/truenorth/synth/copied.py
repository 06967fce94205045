"""Rows that repeat protected texts or evaluations word for word, found in an index of word runs.

Sources: for evaluations, Brown et al., "Language Models are Few-Shot Learners" (2020), appendix C: runs of N words,
N the fifth percentile of the evaluation's item lengths, within 8 and 13. For protected texts the flags are ours: 50
words in a row, or a fifth of all runs of 13 words; quotations and boilerplate are found as well, so look at the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from truenorth.base import UserError
from truenorth.synth.ngram_index import BATCH, Hits, NgramIndex
from truenorth.synth.shingles import normalise

SIZES = (8, 13)  # words of the shortest and the longest run of an evaluation
SHORT = 4  # items with fewer words are not looked for: everybody says "Yes"
WORDS, SHARE = 50, 0.2


class Evaluations(NamedTuple):
    """An index of evaluations, and how many items of each are too short to be looked for."""

    runs: NgramIndex
    too_short: dict[str, int]


def evaluations(items: Mapping[str, Sequence[str]]) -> Evaluations:
    """An index of named evaluations: runs of 8 to 13 words, as long as all but the shortest items allow; of items
    shorter than that, the whole item, down to four words.

    Raises:
        UserError: an evaluation without items.
    """
    made: dict[str, list[str]] = {}
    sizes: set[int] = set()
    too_short: dict[str, int] = {}
    for name, texts in items.items():
        counts = np.array([len(normalise(text).split()) for text in texts])
        if not len(counts):
            raise UserError("an evaluation without items", where=name)
        size = int(np.clip(np.percentile(counts, 5), *SIZES))
        too_short[name] = int((counts < SHORT).sum())
        sizes |= {size} | {int(n) for n in counts if SHORT <= n < size}
        for n in sorted({size, *counts[(counts >= SHORT) & (counts < size)].tolist()}):
            made.setdefault(f"{n}\0{name}", []).extend(
                text for text, count in zip(texts, counts) if (count >= n if n == size else count == n)
            )
    parts = [
        NgramIndex.of({key.partition("\0")[2]: texts}, sizes=[int(key.partition("\0")[0])])
        for key, texts in made.items()
    ]
    return Evaluations(joined(parts, tuple(items), tuple(sorted(sizes, reverse=True))), too_short)


def joined(parts: Sequence[NgramIndex], names: tuple[str, ...], sizes: tuple[int, ...]) -> NgramIndex:
    """One index of several."""
    hash_R = np.concatenate([part.hash_R for part in parts])
    name_R = np.concatenate([np.array([names.index(n) for n in p.names], np.uint16)[p.name_R] for p in parts])
    order = np.lexsort((name_R, hash_R))
    return NgramIndex(names, sizes, hash_R[order], name_R[order])


def in_evaluations(texts: Iterable[str], found: Evaluations) -> Iterator[str]:
    """For each text "in NAME", the evaluation with most runs in common, or "" for none."""
    for hits in _hits(texts, found.runs):
        yield f"in {max(hits.names, key=lambda name: hits.names[name])}" if hits.names else ""


def copied(
    texts: Iterable[str], index: NgramIndex, *, words: int = WORDS, share: float = SHARE
) -> Iterator[str]:
    """For each text "copied from NAME" if `words` in a row, or this share of its runs, stand in the index, else "".

    Raises:
        UserError: `words` below the index's runs.
    """
    if words < min(index.sizes):
        expected = f"{min(index.sizes)} or more, the index's runs"
        raise UserError(f"{words} words", where="copied", expected=expected)
    for hits in _hits(texts, index):
        flagged = hits.longest >= words or (hits.share >= share and hits.names)
        yield f"copied from {max(hits.names, key=lambda name: hits.names[name])}" if flagged else ""


def _hits(texts: Iterable[str], index: NgramIndex) -> Iterator[Hits]:
    stream = iter(texts)
    while batch := list(islice(stream, BATCH)):
        yield from index.hits(batch)
