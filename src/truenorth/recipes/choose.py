"""Choosing settings under a constraint: raise one measure while others must not fall by more than stated.

Candidates answer the same held-out questions, twice as many each round. A round drops candidates that clearly break a
limit, or are clearly worse than one that clearly keeps them all. Every decision is made at a level divided by all the
decisions there could be, so looking often does not make errors more frequent; a decision once made stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from truenorth.base import UserError, seed_of
from truenorth.measure import Answer, Item, Scores
from truenorth.stats import Kept, Paired, kept, paired

State = Literal["feasible", "breaks a limit", "worse", "cannot tell"]
Settings = Mapping[str, Any]
Ask = Callable[[Settings | None, Sequence[Item]], Scores]  # settings (None: the model as it is), some items


@dataclass(frozen=True)
class Limit:
    """A measure that must not fall by more than `margin` (a fraction: 0.02 is two points) below the start's."""

    principle: str
    margin: float

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Read `facts:2`, two points.

        Raises:
            UserError: not a principle and a number of points above 0.
        """
        name, _, points = text.rpartition(":")
        try:
            margin = float(points) / 100
        except ValueError:
            margin = -1.0
        if not name or not 0 < margin < 1:
            raise UserError(
                f"not a limit: {text!r}", where="--limit", expected="PRINCIPLE:POINTS, such as facts:2"
            )
        return cls(name, margin)


@dataclass(frozen=True)
class Candidate:
    """One choice of settings, and what is known of it against the start on the questions it answered.

    Args:
        improve: of the measure to raise. Intervals here hold for all candidates and rounds at once.
        limits: one for each limit, with how many more items would tell.
        rounds: in how many it took part.
    """

    settings: Settings
    state: State = "cannot tell"
    improve: Paired | None = None
    limits: tuple[Kept, ...] = ()
    rounds: int = 0


@dataclass(frozen=True)
class Choice:
    """The best candidate that keeps every limit, or why there is none.

    Args:
        settled: no other candidate could still be better.
        level: of each single interval, so that all of them hold together at the level asked for.
        items: questions a measure that the last round had.
    """

    verdict: Literal["chosen", "none feasible", "cannot tell"]
    best: Candidate | None
    candidates: tuple[Candidate, ...]
    settled: bool
    level: float
    items: Mapping[str, int]

    @property
    def improves(self) -> bool:
        """Is the best shown to be better than the model as it is?"""
        return bool(self.best and self.best.improve and self.best.improve.low > 0)

    @property
    def more(self) -> int:
        """Items a limit that would tell of the first undecided candidate whether it keeps its limits; 0: told."""
        undecided = [k.more for c in self.candidates if c.state == "cannot tell" for k in c.limits]
        return max((n for n in undecided if n > 0), default=0)


def choose(
    ask: Ask,
    items: Sequence[Item],
    candidates: Sequence[Settings],
    *,
    improve: str,
    limits: Sequence[Limit],
    lower: frozenset[str] = frozenset(),
    rounds: int = 3,
    level: float = 0.95,
    seed: int = 0,
    on_round: Callable[[int, Sequence[Candidate]], None] | None = None,
) -> Choice:
    """The candidate with the highest `improve` among those that keep every limit.

    Args:
        ask: the scores of a candidate on some items; called once for each candidate and item at most. The same
            items must get the same draws, whoever answers.
        items: held-out questions; those of one cluster are asked in the same round.
        lower: measures of which less is better.
        rounds: the first asks 1 / 2^(rounds - 1) of the items.

    Raises:
        UserError: no candidates, a measure without items, or one that is both to rise and limited.
    """
    names = (improve, *(limit.principle for limit in limits))
    _check(names, items, candidates, rounds)
    looks = len(candidates) * rounds * (len(limits) + 2)  # each limit, the start, and the leader
    one = 1 - (1 - level) / looks
    start: list[Answer] = []
    found: dict[int, list[Answer]] = {i: [] for i in range(len(candidates))}
    state = [Candidate(dict(settings)) for settings in candidates]
    asked: dict[str, int] = dict.fromkeys(names, 0)
    for number, part in enumerate(_parts([i for i in items if i.principle in names], rounds, seed), start=1):
        alive = [i for i, candidate in enumerate(state) if candidate.state in ("feasible", "cannot tell")]
        if not alive or (len(alive) == 1 and state[alive[0]].state == "feasible"):
            break
        start += ask(None, part).answers
        asked = {name: asked[name] + sum(i.principle == name for i in part) for name in names}
        for i in alive:
            found[i] += ask(candidates[i], part).answers
            state[i] = _judged(state[i], start, found[i], improve, limits, lower, one, number)
        _drop_worse(state, alive, found, improve, lower, one)
        if on_round:
            on_round(number, state)
    return _choice(state, one, asked)


def _judged(
    candidate: Candidate,
    start: Sequence[Answer],
    answers: Sequence[Answer],
    improve: str,
    limits: Sequence[Limit],
    lower: frozenset[str],
    level: float,
    number: int,
) -> Candidate:
    """What the answers so far say of a candidate."""
    gain = difference(start, answers, improve, lower=lower, level=level)
    told = tuple(
        kept(difference(start, answers, limit.principle, lower=lower, level=level), margin=limit.margin)
        for limit in limits
    )
    verdicts = {one.verdict for one in told}
    state: State = candidate.state
    if "no" in verdicts:
        state = "breaks a limit"
    elif verdicts <= {"yes"}:
        state = "feasible"
    return replace(candidate, state=state, improve=gain, limits=told, rounds=number)


def _drop_worse(
    state: list[Candidate],
    alive: Sequence[int],
    found: Mapping[int, list[Answer]],
    improve: str,
    lower: frozenset[str],
    level: float,
) -> None:
    """Mark those that are clearly worse than the feasible candidate with the highest mean."""
    feasible = [i for i in alive if state[i].state == "feasible"]
    if not feasible:
        return
    leader = max(feasible, key=lambda i: _gain(state[i]))
    for i in alive:
        if i != leader and state[i].state in ("feasible", "cannot tell"):
            gap = difference(found[leader], found[i], improve, lower=lower, level=level)
            if gap.high < 0:
                state[i] = replace(state[i], state="worse")


def difference(
    first: Sequence[Answer], second: Sequence[Answer], principle: str, *, lower: frozenset[str], level: float
) -> Paired:
    """second - first on one measure, where both have a score, clustered; turned round where less is better."""
    other = {a.key: a.score for a in second if a.item.principle == principle}
    rows = [(a.score, other.get(a.key), a.item.group) for a in first if a.item.principle == principle]
    whole = [(x, y, group) for x, y, group in rows if x is not None and y is not None]
    before, after, groups = ([row[k] for row in whole] for k in range(3))
    if principle in lower:
        before, after = after, before
    return paired(before, after, clusters=groups, level=level)


def _gain(candidate: Candidate) -> float:
    return candidate.improve.difference if candidate.improve else float("-inf")


def _choice(state: Sequence[Candidate], level: float, asked: Mapping[str, int]) -> Choice:
    feasible = [candidate for candidate in state if candidate.state == "feasible"]
    open_ = [candidate for candidate in state if candidate.state == "cannot tell"]
    if feasible:
        best = max(feasible, key=_gain)
        return Choice("chosen", best, tuple(state), len(feasible) == 1 and not open_, level, asked)
    return Choice("cannot tell" if open_ else "none feasible", None, tuple(state), not open_, level, asked)


def _parts(items: Sequence[Item], rounds: int, seed: int) -> list[list[Item]]:
    """The new items of each round: of every measure a share of 1, 1, 2, 4 ... over 2^(rounds - 1), by cluster."""
    parts: list[list[Item]] = [[] for _ in range(rounds)]
    whole = 2 ** (rounds - 1)
    for principle in dict.fromkeys(item.principle for item in items):
        own = [item for item in items if item.principle == principle]
        groups = sorted(dict.fromkeys(item.group for item in own), key=lambda g: seed_of("choose", seed, g))
        place = {group: i * whole // len(groups) for i, group in enumerate(groups)}  # 0 .. whole - 1
        for item in own:
            parts[place[item.group].bit_length()].append(item)
    return [part for part in parts if part]


def _check(names: Sequence[str], items: Sequence[Item], candidates: Sequence[Settings], rounds: int) -> None:
    if not candidates:
        raise UserError("no candidates", where="--choose", expected="NAME=VALUE,VALUE,...")
    if rounds < 1:
        raise UserError(f"{rounds} rounds", where="--rounds", expected="1 or more")
    known = list(dict.fromkeys(item.principle for item in items))
    for name, where in zip(names, ["--improve", *["--limit"] * len(names)], strict=False):
        if name not in known:
            raise UserError(
                f"no questions about {name!r}", where=where, expected=f"one of {', '.join(known)}"
            )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"{twice} is named twice", where="--limit", fix="raise one measure, limit others")
