"""Exact and near duplicates of prompts, found by MinHash without comparing all pairs.

Source: Broder, "On the resemblance and containment of documents" (1997). Candidates that share a band are
verified by the exact Jaccard similarity, so that a row is never dropped by an accident of hashing.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from truenorth.base import UserError, seed_of, uniform
from truenorth.judges.checks._text import words
from truenorth.records import Row
from truenorth.synth.filters import Filtered, filtered, row_text

BANDS, BAND_ROWS = 32, 4  # finds a pair of similarity 0.8 with probability 1 - (1 - 0.8^4)^32 > 0.9999
PRIME = (1 << 31) - 1  # products of two numbers below it fit 64 bits


def normalise(text: str) -> str:
    """Words in lower case, joined by single spaces: case, punctuation and spacing do not make a text new."""
    return " ".join(words(unicodedata.normalize("NFKC", text)))


def dedupe(
    rows: Sequence[Row],
    *,
    text: Callable[[Row], str] = row_text,
    near: float = 0.8,
    shingle: int = 2,
    seed: int = 0,
) -> Filtered:
    """The first of each set of equal or near-equal rows, in order. Reasons: "empty", "exact", "near".

    Args:
        text: what of a row counts.
        near: Jaccard similarity of word shingles, from which texts are the same; above 1: exact ones only.
        shingle: words in a row.

    Raises:
        UserError: `near` not above 0.
    """
    if near <= 0:
        raise UserError(f"near {near}", where="dedupe", expected="a similarity above 0")
    plain = [normalise(text(row)) for row in rows]
    seen: set[str] = set()
    reasons: dict[int, str] = {}
    for i, one in enumerate(plain):
        if not one or one in seen:
            reasons[i] = "exact" if one else "empty"
        seen.add(one)
    if near <= 1:
        left = [i for i in range(len(rows)) if i not in reasons]
        sets = [shingles(plain[i], shingle) for i in left]
        reasons.update((left[k], "near") for k in near_duplicates(sets, near=near, seed=seed))
    return filtered([row for i, row in enumerate(rows) if i not in reasons], reasons.values())


def shingles(text: str, n: int) -> frozenset[int]:
    """31-bit hashes of the word n-grams of a normalised text; of the whole text if it is shorter."""
    said = text.split(" ")
    grams = [" ".join(said[i : i + n]) for i in range(max(1, len(said) - n + 1))]
    return frozenset(
        int.from_bytes(hashlib.blake2b(g.encode(), digest_size=4).digest(), "little") % PRIME for g in grams
    )


def near_duplicates(sets: Sequence[frozenset[int]], *, near: float, seed: int = 0) -> list[int]:
    """Indices of sets whose Jaccard similarity to an earlier one that was kept is at least `near`."""
    signatures = minhash(sets, count=BANDS * BAND_ROWS, seed=seed)
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    dropped = []
    for i, one in enumerate(sets):
        keys = [(b, signatures[i, b * BAND_ROWS : (b + 1) * BAND_ROWS].tobytes()) for b in range(BANDS)]
        candidates = {j for key in keys for j in buckets[key]}
        if any(len(one & sets[j]) >= near * len(one | sets[j]) for j in candidates):
            dropped.append(i)
            continue
        for key in keys:
            buckets[key].append(i)
    return dropped


def minhash(sets: Sequence[frozenset[int]], *, count: int, seed: int = 0) -> np.ndarray:
    """(len(sets), count) int64: the least of (a x + b) mod p over each set, for `count` pairs (a, b)."""
    draws = uniform(np.array([seed_of("minhash", seed, k) for k in range(2 * count)]), 0)
    a_K = 1 + (draws[:count] * (PRIME - 1)).astype(np.int64)
    b_K = (draws[count:] * PRIME).astype(np.int64)
    signatures = np.full((len(sets), count), PRIME, dtype=np.int64)
    for i, one in enumerate(sets):
        if one:
            x_S = np.fromiter(sorted(one), dtype=np.int64, count=len(one))
            signatures[i] = ((x_S[:, None] * a_K + b_K) % PRIME).min(axis=0)
    return signatures
