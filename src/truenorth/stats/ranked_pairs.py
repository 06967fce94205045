"""One order from many people's orders (Tideman's ranked pairs), however they contradict one another.

Sources: Tideman (1987); OpenAssistant (2023) ranks replies so. Equal margins are locked in the order of the
candidates' mean Borda scores, then of their names, so that the result does not depend on the order of ballots.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple


class Lock(NamedTuple):
    """More people put `winner` above `loser` than below, by `margin`; `kept` unless it closed a cycle."""

    winner: Hashable
    loser: Hashable
    margin: int
    kept: bool


class Order(NamedTuple):
    ranking: list[Hashable]
    locks: list[Lock]


def ranked_pairs(ballots: Sequence[Sequence[Hashable]]) -> Order:
    """The order that keeps the clearest majorities, and how each majority fared.

    Args:
        ballots: each best first. A ballot that leaves candidates out says nothing of them.

    Raises:
        ValueError: a ballot that names a candidate twice.

    >>> ballots = 3 * ["wxzy"] + 2 * ["wyxz"] + 4 * ["xyzw"] + 5 * ["xzwy"] + 1 * ["ywxz"]
    >>> "".join(ranked_pairs(ballots).ranking)
    'xzwy'
    """
    names = sorted({name for ballot in ballots for name in ballot}, key=str)
    for ballot in ballots:
        if len(set(ballot)) < len(ballot):
            raise ValueError(f"ballot {list(ballot)} names a candidate twice")
    above = {(a, b): 0 for a in names for b in names if a != b}
    for ballot in ballots:
        for i, winner in enumerate(ballot):
            for loser in ballot[i + 1 :]:
                above[winner, loser] += 1
    borda = {a: sum(above[a, b] - above[b, a] for b in names if b != a) for a in names}
    place = {name: i for i, name in enumerate(sorted(names, key=lambda a: -borda[a]))}
    margins = {(a, b): above[a, b] - above[b, a] for a, b in above}
    majorities = [pair for pair, margin in margins.items() if margin > 0]
    majorities.sort(key=lambda pair: (-margins[pair], place[pair[0]], -place[pair[1]]))
    beats: dict[Hashable, set[Hashable]] = {name: set() for name in names}
    locks = []
    for winner, loser in majorities:
        kept = not _reaches(beats, loser, winner)
        if kept:
            beats[winner].add(loser)
        locks.append(Lock(winner, loser, margins[winner, loser], kept))
    return Order(_sources_first(beats, place), locks)


def _reaches(beats: dict[Hashable, set[Hashable]], start: Hashable, goal: Hashable) -> bool:
    seen, waiting = {start}, [start]
    while waiting:
        here = waiting.pop()
        if here == goal:
            return True
        waiting += [other for other in beats[here] if other not in seen]
        seen |= beats[here]
    return False


def _sources_first(beats: dict[Hashable, set[Hashable]], place: dict[Hashable, int]) -> list[Hashable]:
    left, ranking = set(beats), []
    while left:
        beaten = {loser for winner in left for loser in beats[winner]}
        first = min(left - beaten, key=lambda name: place[name])
        ranking.append(first)
        left.remove(first)
    return ranking
