"""DARE on one change: some entries dropped at random, the rest made up for."""

from __future__ import annotations

from truenorth.base import UserError
from truenorth.edit.arrays import Array


def dropped(change: Array, noise: Array, density: float) -> Array:
    """Each entry with chance `density`, divided by it, else 0; so the expected change is the whole change.

    Raises:
        UserError: a chance outside (0, 1].

    Source: Yu et al. 2024 (arXiv:2311.03099), eq. 2-3.
    """
    from truenorth.edit.noise import chosen

    if not 0 < density <= 1:
        raise UserError(f"density {density}", where="--set", expected="a chance in (0, 1]")
    return change if density == 1 else change * chosen(noise, float(density)) / density
