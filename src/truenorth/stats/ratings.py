"""Pairwise votes to ratings on one scale, with intervals from drawing whole prompts again.

Votes on one prompt (both orders, several judges) are not independent; a bootstrap of votes makes intervals too
narrow. Sources: Bradley and Terry (1952); Newton's method with a Gaussian prior of ten natural units (1,737 Elo
points), which is all but flat yet keeps a model that never lost finite; the Elo scale is 400 / ln 10 points a
natural unit, as in chess.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from truenorth.base import UserError
from truenorth.stats.estimate import Clusters, Estimate, Floats, codes_of
from truenorth.stats.ties import MODELS

POINTS = 400 / np.log(10)
PRIOR = 1 / 10.0**2
Names = Sequence[Hashable] | NDArray[Any]


class Rated(NamedTuple):
    """One row of a rating table. `best` and `worst` are ranks (1 is first) the intervals leave open."""

    name: Hashable
    rating: float
    low: float
    high: float
    best: int
    worst: int
    votes: int


class Ladder(NamedTuple):
    """Ratings in Elo points. `draws_BM` are the bootstrap's, for any question about several ratings at once.

    `tie`: Davidson's nu or Rao and Kupper's eta; nan where ties count as halves.
    """

    names: list[Hashable]
    rating_M: Floats
    draws_BM: Floats
    votes_M: NDArray[np.int64]
    tie: float
    level: float

    def table(self) -> list[Rated]:
        """Highest first. Rank intervals as Chatbot Arena's: 1 + how many lie clearly above."""
        tails = (0.5 - self.level / 2, 0.5 + self.level / 2)
        low_M, high_M = np.quantile(self.draws_BM, tails, axis=0)
        rows = []
        for m in np.argsort(-self.rating_M, kind="stable"):
            best = 1 + int((low_M > high_M[m]).sum())
            worst = len(self.names) - int((high_M < low_M[m]).sum())
            told = float(self.rating_M[m]), float(low_M[m]), float(high_M[m])
            rows.append(Rated(self.names[m], *told, best, worst, int(self.votes_M[m])))
        return rows

    def gap(self, a: Hashable, b: Hashable) -> Estimate:
        """b's rating less a's, in points, with its own interval (two intervals that overlap may still differ)."""
        i, j = self.names.index(a), self.names.index(b)
        low, high = np.quantile(
            self.draws_BM[:, j] - self.draws_BM[:, i], [0.5 - self.level / 2, 0.5 + self.level / 2]
        )
        n = int(self.votes_M[i] + self.votes_M[j])
        return Estimate(float(self.rating_M[j] - self.rating_M[i]), float(low), float(high), n)


def bradley_terry(
    first: Names,
    second: Names,
    outcome: ArrayLike,
    *,
    clusters: Clusters | None = None,
    ties: Literal["half", "davidson", "rao-kupper"] = "half",
    anchors: Mapping[Hashable, float] | None = None,
    draws: int = 500,
    level: float = 0.95,
    seed: int = 0,
) -> Ladder:
    """Ratings from votes, mean 1000.

    Args:
        first, second: who met whom, a vote a place.
        outcome: 1 the first won, 0 the second, 0.5 a tie; with ties "half" any share in [0, 1].
        clusters: one label a vote, usually the prompt; drawn together.
        ties: counted as half a win each way, or modelled with one parameter for how common they are.
        anchors: one name and its rating; all others move with it.
        draws: bootstrap samples.

    Raises:
        UserError: two groups of models never met, so that nothing places one against the other.

    >>> ladder = bradley_terry("a" * 40, "b" * 40, [1] * 30 + [0] * 10, draws=50)
    >>> round(-ladder.gap("a", "b").mean)  # 400 log10(3)
    191
    """
    votes = _votes(first, second, outcome, clusters, ties)
    model, tied = MODELS[ties], float(votes.cells @ np.tile([0.0, 1.0, 0.0], len(votes.i_P)))
    if ties != "half" and tied == 0:
        raise UserError(f"no ties for {ties!r} to be fitted to", fix="use ties='half'")
    many = len(votes.names)
    start = np.zeros(many + 1)
    start[-1] = 0.5
    found = _fit(model, votes, votes.cells, start)
    near = 1e-4  # a fiftieth of a point, where Newton's next step would be the square of it
    drawn_BM = np.stack([_fit(model, votes, cells, found, near)[:-1] for cells in _drawn(votes, draws, seed)])
    shift, rating_M = _anchored(votes.names, found[:-1], anchors)
    if shift is None:
        drawn_BM = POINTS * (drawn_BM - drawn_BM.mean(1, keepdims=True)) + 1000
    else:
        drawn_BM = POINTS * (drawn_BM - drawn_BM[:, [shift]]) + rating_M[shift]
    tie = float("nan") if ties == "half" else float(np.exp(found[-1]))
    return Ladder(votes.names, rating_M, drawn_BM, votes.votes_M, tie, level)


class _Votes(NamedTuple):
    names: list[Hashable]
    i_P: NDArray[np.intp]
    j_P: NDArray[np.intp]
    cells: Floats  # (3 P,) wins of i, ties, wins of j, pair by pair
    by_cluster: sparse.csr_array | None  # (G, 3 P)
    votes_M: NDArray[np.int64]


def _votes(first: Names, second: Names, outcome: ArrayLike, clusters: Clusters | None, ties: str) -> _Votes:
    y = np.asarray(outcome, dtype=np.float64)
    if not len(first) == len(second) == len(y) or len(y) == 0:
        raise ValueError(
            f"{len(first)} firsts, {len(second)} seconds, {len(y)} outcomes; expected as many, some"
        )
    names, code = _coded(first, second)
    a, b = code[: len(y)], code[len(y) :]
    if (a == b).any():
        raise ValueError(f"vote {int(np.flatnonzero(a == b)[0])} is of {names[a[a == b][0]]!r} with itself")
    whole = ((y == 0) | (y == 0.5) | (y == 1)).all()
    if ((y < 0) | (y > 1)).any() or not (whole or ties == "half"):
        raise ValueError(f"outcomes beside 0, 0.5 and 1 with ties={ties!r}")
    y = np.where(a < b, y, 1 - y)
    key = np.minimum(a, b) * len(names) + np.maximum(a, b)
    pairs, pair = np.unique(key, return_inverse=True)
    i_P, j_P = np.divmod(pairs, len(names))
    _connected(names, i_P, j_P)
    if whole:
        column, weight, row = (
            3 * pair + np.rint(2 - 2 * y).astype(np.intp),
            np.ones(len(y)),
            np.arange(len(y)),
        )
    else:
        column, weight = np.concatenate([3 * pair, 3 * pair + 2]), np.concatenate([y, 1 - y])
        row = np.tile(np.arange(len(y)), 2)
    cells = np.bincount(column, weight, minlength=3 * len(pairs)).astype(np.float64)
    codes = codes_of(clusters, len(y))
    by_cluster = None
    if codes is not None or not whole:
        owner = row if codes is None else codes[row]
        by_cluster = sparse.csr_array((weight, (owner, column)), shape=(int(owner.max()) + 1, len(cells)))
    count = np.bincount(a, minlength=len(names)) + np.bincount(b, minlength=len(names))
    return _Votes(names, i_P, j_P, cells, by_cluster, count)


def _coded(first: Names, second: Names) -> tuple[list[Hashable], NDArray[np.intp]]:
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        values, code = np.unique(np.concatenate([first, second]), return_inverse=True)
        return values.tolist(), code.astype(np.intp)
    place: dict[Hashable, int] = {}
    both = (place.setdefault(name, len(place)) for side in (first, second) for name in side)
    code = np.fromiter(both, dtype=np.intp, count=len(first) + len(second))
    return list(place), code


def _connected(names: list[Hashable], i_P: NDArray[np.intp], j_P: NDArray[np.intp]) -> None:
    graph = sparse.coo_array((np.ones(len(i_P)), (i_P, j_P)), shape=(len(names), len(names)))
    groups, member = sparse.csgraph.connected_components(graph, directed=False)
    if groups > 1:
        shown = [", ".join(str(names[m]) for m in np.flatnonzero(member == g)[:3]) for g in range(2)]
        raise UserError(
            f"{groups} groups that never met ({shown[0]}; {shown[1]})",
            where="ratings",
            fix="rate each group alone, or let some of them meet",
        )


def _fit(model: Any, votes: _Votes, cells: Floats, start: Floats, near: float = 1e-9) -> Floats:
    """Strengths and the tie parameter, by Newton's method with halved steps where one goes too far."""
    i, j, many = votes.i_P, votes.j_P, len(votes.names)
    count_P3, at = cells.reshape(-1, 3), start.copy()

    def slopes(x: Floats) -> tuple[float, Any]:
        found = model(x[i] - x[j], float(x[-1]), count_P3)
        return found.value - PRIOR / 2 * float(x @ x), found

    value, found = slopes(at)
    for _ in range(50):
        gradient = np.append(
            np.bincount(i, found.d, minlength=many) - np.bincount(j, found.d, minlength=many), found.c
        )
        gradient -= PRIOR * at
        bend = np.zeros((many + 1, many + 1))
        bend[i, j] = bend[j, i] = -found.dd
        diagonal = np.bincount(i, found.dd, minlength=many) + np.bincount(j, found.dd, minlength=many)
        edge = np.bincount(i, found.dc, minlength=many) - np.bincount(j, found.dc, minlength=many)
        bend[-1, :-1] = bend[:-1, -1] = edge
        bend[np.diag_indices(many + 1)] = np.append(diagonal, found.cc) + PRIOR
        step = np.linalg.solve(bend, gradient)
        size = 1.0
        new_value, new = slopes(at + step)
        while new_value < value - 1e-9 * abs(value) and size > 1e-6:
            size /= 2
            new_value, new = slopes(at + size * step)
        at, value, found = at + size * step, new_value, new
        if np.abs(size * step).max() < near:
            break
    return at


def _drawn(votes: _Votes, draws: int, seed: int) -> Any:
    """Cells of `draws` bootstrap samples: of votes where each stands alone, else of whole clusters."""
    rng = np.random.default_rng(seed)
    if votes.by_cluster is None:
        total = int(votes.cells.sum())
        yield from rng.multinomial(total, votes.cells / total, size=draws).astype(np.float64)
        return
    groups = votes.by_cluster.shape[0]
    chunk = max(1, min(draws, 4_000_000 // groups))
    for start in range(0, draws, chunk):
        size = min(chunk, draws - start)
        times = np.stack(
            [np.bincount(rng.integers(0, groups, groups), minlength=groups) for _ in range(size)]
        )
        yield from np.asarray(votes.by_cluster.T @ times.T.astype(np.float64)).T


def _anchored(
    names: list[Hashable], strength_M: Floats, anchors: Mapping[Hashable, float] | None
) -> tuple[int | None, Floats]:
    if not anchors:
        return None, POINTS * (strength_M - strength_M.mean()) + 1000
    (name, rating), *more = anchors.items()
    if more or name not in names:
        raise UserError(f"anchors {dict(anchors)}", expected=f"one of {names[:10]} and its rating")
    place = names.index(name)
    return place, POINTS * (strength_M - strength_M[place]) + rating
