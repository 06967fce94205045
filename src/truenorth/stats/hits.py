"""How often an attacker who may try k times gets through at least once.

Source: the unbiased estimator of Chen et al. (2021, equation 1), there for code that passes its tests. The
plug-in 1 - (1 - rate)^k is biased, and a sweep over k settings is itself an any-of-k rate: always print k.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from truenorth.stats.estimate import Clusters, Estimate, Floats, mean


def hit_at(
    k: int, hits: ArrayLike, tries: ArrayLike, *, clusters: Clusters | None = None, level: float = 0.95
) -> Estimate:
    """Chance of at least one hit in k tries at a prompt, averaged over prompts.

    Args:
        hits: (n,) successful tries at each prompt.
        tries: (n,) tries at each prompt, each at least k.
        clusters: one label a prompt, where prompts belong together (a behaviour, a template).

    Raises:
        ValueError: fewer tries than k somewhere; their hit@k is not known, only that of fewer tries.

    >>> round(hit_at(5, [3], [10]).mean, 6)
    0.916667
    """
    s_N, n_N = np.asarray(hits, dtype=np.int64), np.asarray(tries, dtype=np.int64)
    if s_N.shape != n_N.shape or ((s_N < 0) | (s_N > n_N)).any():
        raise ValueError("expected as many hits as tries, and at each prompt 0 <= hits <= tries")
    if k < 1 or (n_N < k).any():
        raise ValueError(f"hit@{k} of prompts tried {n_N.min()} times at least; expected 1 <= k <= tries")
    return mean(_chance(k, s_N, n_N), clusters=clusters, level=level)


def hit_curve(hits: ArrayLike, tries: ArrayLike, *, ks: Sequence[int] = (1, 2, 5, 10)) -> dict[int, Estimate]:
    """hit@k for every k in `ks` that all prompts have tries for; it never falls as k grows."""
    most = int(np.min(tries))
    return {k: hit_at(k, hits, tries) for k in ks if k <= most}


def _chance(k: int, s_N: np.ndarray, n_N: np.ndarray) -> Floats:
    """1 - C(n - s, k) / C(n, k), as a product of k factors so that nothing overflows."""
    missed_N = np.ones(len(s_N))
    for i in range(k):
        missed_N *= np.clip((n_N - s_N - i) / (n_N - i), 0.0, None)
    return 1.0 - missed_N
