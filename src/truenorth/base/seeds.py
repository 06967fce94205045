"""Seeds from names, and uniform numbers from seeds: what a row draws depends on nothing but its own seed."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np


def seed_of(*parts: Any) -> int:
    """A 63-bit seed that depends only on `parts` (by their `repr`), the same in every process.

    >>> seed_of("sample", 7) == seed_of("sample", 7)
    True
    """
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "little") >> 1


def uniform(seeds_B: np.ndarray, step: int) -> np.ndarray:
    """(B,) float64 in [0, 1): the `step`-th number of each seed's own stream (splitmix64, counter based).

    Counter based, so a row's numbers do not depend on which rows share its batch or finished before it.
    Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014).
    """
    with np.errstate(over="ignore"):
        z = seeds_B.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15) * np.uint64(step + 1)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
