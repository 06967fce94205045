"""Exact and near duplicates of prompts, found by MinHash without comparing all pairs: the one entry.

Source: Broder, "On the resemblance and containment of documents" (1997); see `shingles` and `minhash`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import numpy as np

from truenorth.base import UserError
from truenorth.records import Row
from truenorth.synth.filters import Filtered, keep, row_text
from truenorth.synth.minhash import near_duplicates
from truenorth.synth.shingles import hashed, normalise

__all__ = ["dedupe", "duplicates", "normalise"]

Reason = Literal["", "empty", "exact", "near"]


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
    return keep(rows, duplicates(map(text, rows), near=near, shingle=shingle, seed=seed))


def duplicates(texts: Iterable[str], *, near: float = 0.8, shingle: int = 2, seed: int = 0) -> list[Reason]:
    """For each text why it goes, or "": the settings and the answers of `dedupe`, on a stream.

    Texts are read once and not kept: about 250 bytes each and 8 a word are, so that a million short texts take
    half a gigabyte.

    Raises:
        UserError: `near` that is not above 0, or `shingle` below 1.
    """
    if near <= 0:
        raise UserError(f"near {near}", where="dedupe", expected="a similarity above 0")
    if shingle < 1:
        raise UserError(f"shingle {shingle}", where="dedupe", expected="at least one word")
    whole, sets = hashed(texts, shingle)
    reasons = np.full(len(whole), "", dtype="<U5")
    firsts = np.unique(whole, return_index=True)[1]
    reasons[np.setdiff1d(np.arange(len(whole)), firsts)] = "exact"
    reasons[whole == 0] = "empty"
    if near <= 1:
        left = np.flatnonzero(reasons == "")
        reasons[left[near_duplicates(sets.take(left), near=near, seed=seed)]] = "near"
    return reasons.tolist()
