"""Log-probabilities written by hand, token by token: for worked examples and tests."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from truenorth.learn.types import Batch, Group, Logps, Pair

Row = float | Sequence[float]  # one completion: its tokens' log-probs, or one number for one token


def logps(*rows: Row) -> Logps:
    """Each row a completion.

    >>> logps(-1.0, [-0.5, -2.0]).total
    tensor([-1.0000, -2.5000])
    """
    return Logps.of([[float(r)] if isinstance(r, int | float) else [*map(float, r)] for r in rows])


def pair(chosen: Row, rejected: Row) -> Pair:
    """One pair."""
    return Pair(logps(chosen), logps(rejected))


def pairs(*rows: tuple[Row, Row]) -> Pair:
    """Several pairs, each (chosen, rejected)."""
    return Pair(logps(*[c for c, _ in rows]), logps(*[r for _, r in rows]))


def group(*rows: Row) -> Group:
    """The completions of one prompt."""
    return Group(logps(*rows), torch.zeros(len(rows), dtype=torch.long))


def batch(*groups: Sequence[Row]) -> Batch:
    """The completions of several prompts, a whole step's."""
    owner = [g for g, rows in enumerate(groups) for _ in rows]
    return Batch(logps(*[row for rows in groups for row in rows]), torch.tensor(owner))
