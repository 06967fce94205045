"""Many tests at once, when a share of false alarms among the alarms is acceptable (Holm's test is in `paired`).

Sources: Benjamini and Hochberg (1995); Benjamini and Yekutieli (2001).
"""

from __future__ import annotations

from collections.abc import Sequence


def bh(p_values: Sequence[float]) -> list[float]:
    """Benjamini-Hochberg adjusted p-values, in the order given; reject those <= the false discovery rate.

    Holds for independent tests and for those that depend positively (slices of one comparison usually do);
    otherwise `by`.

    >>> bh([0.01, 0.04, 0.03])
    [0.03, 0.04, 0.04]
    """
    return _step_up(p_values, 1.0)


def by(p_values: Sequence[float]) -> list[float]:
    """Benjamini-Yekutieli adjusted p-values: as `bh`, whatever the dependence, at a price of about ln(m).

    >>> [round(p, 4) for p in by([0.01, 0.04, 0.03])]
    [0.055, 0.0733, 0.0733]
    """
    return _step_up(p_values, sum(1 / k for k in range(1, len(p_values) + 1)))


def _step_up(p_values: Sequence[float], price: float) -> list[float]:
    many = len(p_values)
    adjusted, ceiling = [1.0] * many, 1.0
    for rank, i in zip(range(many, 0, -1), sorted(range(many), key=lambda i: -p_values[i])):
        ceiling = min(ceiling, price * many * p_values[i] / rank)
        adjusted[i] = ceiling
    return adjusted
