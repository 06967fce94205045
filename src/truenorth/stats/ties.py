"""The three ways a pairwise comparison may be tied, each as a log-likelihood with its derivatives.

`d` is the difference of the two strengths and `c` the tie parameter, both natural logarithms; `count_P3` holds,
for each pair, wins of the first, ties, wins of the second. Derivatives are a pair's; second ones are negated.

Sources: Bradley and Terry (1952), a tie counted as half a win each way; Davidson (1970), equation 1.1, with
nu = exp(c); Rao and Kupper (1967), with eta = exp(c).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from truenorth.stats.estimate import Floats


class Slopes(NamedTuple):
    value: float
    d: Floats
    c: float
    dd: Floats
    dc: Floats
    cc: float


def half(d: Floats, c: float, count_P3: Floats) -> Slopes:
    """P(first) = 1 / (1 + exp(-d)); `c` plays no part."""
    first, n = count_P3[:, 0] + count_P3[:, 1] / 2, count_P3.sum(1)
    p = special.expit(d)
    value = (first * special.log_expit(d) + (n - first) * special.log_expit(-d)).sum()
    return Slopes(float(value), first - n * p, 0.0, n * p * (1 - p), np.zeros_like(d), 0.0)


def davidson(d: Floats, c: float, count_P3: Floats) -> Slopes:
    """P(first), P(tie), P(second) in the ratio exp(d/2) : exp(c) : exp(-d/2)."""
    logits = np.stack([d / 2, np.full_like(d, c), -d / 2], axis=1)
    log_P3 = logits - special.logsumexp(logits, axis=1, keepdims=True)
    p_P3, n = np.exp(log_P3), count_P3.sum(1)
    lead, tie = (p_P3[:, 0] - p_P3[:, 2]) / 2, p_P3[:, 1]
    return Slopes(
        float((count_P3 * log_P3).sum()),
        (count_P3[:, 0] - count_P3[:, 2]) / 2 - n * lead,
        float((count_P3[:, 1] - n * tie).sum()),
        n * ((1 - tie) / 4 - lead**2),
        -n * lead * tie,
        float((n * tie * (1 - tie)).sum()),
    )


def rao_kupper(d: Floats, c: float, count_P3: Floats) -> Slopes:
    """P(first) = 1 / (1 + exp(c - d)), P(second) = 1 / (1 + exp(c + d)), the rest ties; c > 0."""
    if c <= 0:
        return Slopes(-np.inf, d, 0.0, d, d, 0.0)
    first, second = count_P3[:, 0] + count_P3[:, 1], count_P3[:, 2] + count_P3[:, 1]
    tied = float(count_P3[:, 1].sum())
    p, q = special.expit(d - c), special.expit(-d - c)
    value = (first * special.log_expit(d - c) + second * special.log_expit(-d - c)).sum()
    more, less = first * (1 - p), second * (1 - q)
    bend_p, bend_q, grown = first * p * (1 - p), second * q * (1 - q), np.expm1(2 * c)
    return Slopes(
        float(value + tied * np.log(grown)),
        more - less,
        float(tied * 2 * (grown + 1) / grown - (more + less).sum()),
        bend_p + bend_q,
        bend_q - bend_p,
        float((bend_p + bend_q).sum() + tied * 4 * (grown + 1) / grown**2),
    )


MODELS = {"half": half, "davidson": davidson, "rao-kupper": rao_kupper}
