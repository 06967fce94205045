"""Systems that answered the same items: which is better, by how much, where, and could chance explain it.

Everything is paired by item: an item's samples are averaged, items of a cluster stay together, and p-values are
corrected over all pairs and metrics, and over all slices, by Holm's method. Where two systems share no items
they are compared unpaired, and the result says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from scipy import stats as distributions

from truenorth.base import UserError
from truenorth.measure.readers import Result
from truenorth.recipes.compared import Compared, Pair, Slice, Verdict
from truenorth.stats import Estimate, Paired, holm, mean, paired, paired_bounds
from truenorth.stats.margins import rates_difference

LEAST = 10  # items of a slice that is worth a line
MAX_SLICES = 40  # values of a slice column


class Item(NamedTuple):
    """One system's score on one item: the mean of its scored samples, None where none was scored."""

    score: float | None
    cluster: str
    slices: tuple[tuple[str, str], ...]


def compare_results(
    results: Sequence[Result],
    *,
    metrics: Sequence[str] = (),
    lower: Sequence[str] = (),
    every_pair: bool = False,
    level: float = 0.95,
    seed: int = 0,
) -> Compared:
    """Every system against the first (or every pair), on every metric they share.

    Args:
        metrics: only these; all by default.
        lower: metrics of which less is better, beside those the files say so of.

    Raises:
        UserError: fewer than two systems, no metric in common, or a metric named that none of them has.
    """
    named = _named(results)
    if len(named) < 2:
        raise UserError(f"only one system ({', '.join(named)})", where="compare", expected="at least two")
    items = {name: _by_metric(result) for name, result in named.items()}
    lesser = frozenset(lower).union(*(result.lower for result in results))
    wanted = [
        m for m in dict.fromkeys(m for one in items.values() for m in one) if not metrics or m in metrics
    ]
    known = dict.fromkeys(
        m for name in named for m in (*items[name], *(s.metric for s in named[name].summaries))
    )
    for option, given in (("--metric", metrics), ("--lower", lower)):
        if unknown := [name for name in given if name not in known]:
            raise UserError(f"no metric {unknown[0]!r}", where=option, expected=f"one of {', '.join(known)}")
    names = list(named)
    meetings = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if every_pair or i == 0]
    pairs = []
    for a, b in meetings:
        for metric in wanted:
            if metric in items[a] and metric in items[b]:
                both = items[a][metric], items[b][metric]
                pairs.append(_pair(metric, a, b, *both, level=level, seed=seed, less=metric in lesser))
        pairs += _published(named[a], named[b], a, b, set(metrics), lesser, level)
    if not pairs:
        told = "; ".join(f"{name}: {', '.join(one) or 'no items'}" for name, one in items.items())
        raise UserError(f"no metric in common ({told})", where="compare", fix="name one with --metric")
    adjusted = holm([pair.test.p for pair in pairs])
    final = [_judged(pair, p, level) for pair, p in zip(pairs, adjusted)]
    return Compared(tuple(named), {name: result.source for name, result in named.items()}, tuple(final))


def _named(results: Sequence[Result]) -> dict[str, Result]:
    """Systems by name; those of one name are told apart by their file."""
    found: dict[str, Result] = {}
    for result in results:
        name, n = result.system, 2
        if name in found:
            name = f"{result.system} ({result.source})"
        while name in found:
            name, n = f"{result.system} ({n})", n + 1
        found[name] = result
    return found


def _by_metric(result: Result) -> dict[str, dict[str, Item]]:
    """Metric -> item -> its score over samples."""
    seen: dict[str, dict[str, list[Any]]] = {}
    for row in result.rows:
        kept = seen.setdefault(row.metric, {}).setdefault(row.item, [0.0, 0, row])
        if row.score is not None:
            kept[0] += row.score
            kept[1] += 1
    return {
        metric: {
            item: Item(total / n if n else None, row.cluster or item, tuple(row.slices.items()))
            for item, (total, n, row) in by_item.items()
        }
        for metric, by_item in seen.items()
    }


def _pair(
    metric: str,
    a: str,
    b: str,
    first: Mapping[str, Item],
    second: Mapping[str, Item],
    *,
    level: float,
    seed: int,
    less: bool,
) -> Pair:
    shared = [item for item in first if item in second]
    if not shared:
        return _unpaired(metric, a, b, first, second, level=level, less=less)
    whole = [i for i in shared if first[i].score is not None and second[i].score is not None]
    test = _paired(first, second, whole, level, seed)
    worst = best = None
    scores = [s for i in shared for s in (first[i].score, second[i].score)]
    if len(whole) < len(shared) and all(s is None or 0 <= s <= 1 for s in scores):
        around = paired_bounds([first[i].score for i in shared], [second[i].score for i in shared], seed=seed)
        ends = around.worst.difference, around.best.difference
        worst, best = ends[::-1] if less else ends
    return Pair(
        metric,
        a,
        b,
        less,
        _mean(first, shared, level),
        _mean(second, shared, level),
        test,
        math.nan,
        "cannot tell",
        0,
        True,
        len(shared) - len(whole),
        len(first) - len(shared),
        len(second) - len(shared),
        worst,
        best,
        _slices(first, second, whole, level, seed),
    )


def _paired(
    first: Mapping[str, Item], second: Mapping[str, Item], items: list[str], level: float, seed: int
) -> Paired:
    before, after = [first[i].score for i in items], [second[i].score for i in items]
    clusters = [first[i].cluster for i in items]
    return paired(before, after, clusters=clusters, level=level, seed=seed)  # type: ignore[arg-type]


def _mean(scores: Mapping[str, Item], items: Sequence[str], level: float) -> Estimate:
    known = [(scores[i].score, scores[i].cluster) for i in items if scores[i].score is not None]
    values, clusters = [score for score, _ in known], [cluster for _, cluster in known]
    return mean(values, clusters=clusters, level=level, abstained=len(items) - len(known))  # type: ignore[arg-type]


def _slices(
    first: Mapping[str, Item], second: Mapping[str, Item], items: list[str], level: float, seed: int
) -> tuple[Slice, ...]:
    parts: dict[str, dict[str, list[str]]] = {}
    for i in items:
        for name, value in first[i].slices:
            parts.setdefault(name, {}).setdefault(value, []).append(i)
    tests = [
        (name, value, _paired(first, second, members, level, seed))
        for name, values in parts.items()
        if 1 < len(values) <= MAX_SLICES
        for value, members in values.items()
        if len(members) >= LEAST
    ]
    adjusted = holm([test.p for _, _, test in tests])
    return tuple(Slice(*told, p) for told, p in zip(tests, adjusted))


def _unpaired(
    metric: str,
    a: str,
    b: str,
    first: Mapping[str, Item],
    second: Mapping[str, Item],
    *,
    level: float,
    less: bool,
) -> Pair:
    """No item in common: two groups. Rates by the score interval, others by their standard errors."""
    one, two = _mean(first, list(first), level), _mean(second, list(second), level)
    test = _apart(one, two, level)
    counted = [[s.score for s in side.values() if s.score is not None] for side in (first, second)]
    alone = all(len({s.cluster for s in side.values()}) == len(side) for side in (first, second))
    if alone and all(counted) and all(score in (0, 1) for side in counted for score in side):
        found = rates_difference(
            round(sum(counted[0])), len(counted[0]), round(sum(counted[1])), len(counted[1]), level=level
        )
        test = test._replace(low=found.low, high=found.high)
    unscored = one.abstained + two.abstained
    args = (math.nan, "cannot tell", 0, False, unscored, len(first), len(second))
    return Pair(metric, a, b, less, one, two, test, *args)  # type: ignore[arg-type]


def _apart(one: Estimate, two: Estimate, level: float) -> Paired:
    z = float(distributions.norm.ppf(0.5 + level / 2))
    se = math.hypot(*((e.high - e.low) / (2 * z) for e in (one, two)))
    difference = two.mean - one.mean
    p = float(2 * distributions.norm.sf(abs(difference) / se)) if 0 < se < math.inf else 1.0
    return Paired(difference, difference - z * se, difference + z * se, p, one.n + two.n, "unpaired normal")


def _published(
    one: Result, two: Result, a: str, b: str, metrics: set[str], lesser: frozenset[str], level: float
) -> list[Pair]:
    """Published means against one another: unpaired, at their printed standard errors."""
    z, found = float(distributions.norm.ppf(0.5 + level / 2)), []
    theirs = {s.metric: s for s in two.summaries}
    for s in one.summaries:
        if s.metric not in theirs or (metrics and s.metric not in metrics):
            continue
        both = [Estimate(x.mean, x.mean - z * x.se, x.mean + z * x.se, x.n) for x in (s, theirs[s.metric])]
        test = _apart(both[0], both[1], level)
        rest = (math.nan, "cannot tell", 0, False, 0, s.n, theirs[s.metric].n)
        found.append(Pair(s.metric, a, b, s.metric in lesser, both[0], both[1], test, *rest))  # type: ignore[arg-type]
    return found


def _judged(pair: Pair, p_holm: float, level: float) -> Pair:
    test = pair.test
    clear = p_holm < 1 - level and not test.low <= 0 <= test.high
    up = (test.difference > 0) != pair.lower_is_better
    verdict: Verdict = "cannot tell" if not clear else "better" if up else "worse"
    fields = {f: getattr(pair, f) for f in pair.__dataclass_fields__}
    return Pair(**fields | {"p_holm": p_holm, "verdict": verdict, "more": 0 if clear else _more(pair, level)})


def _more(pair: Pair, level: float) -> int:
    """Items beyond those at hand that would show the difference seen, with power 0.8."""
    test = pair.test
    if test.n == 0 or abs(test.difference) < 1e-12 or not math.isfinite(test.high - test.low):
        return -1
    z = float(distributions.norm.ppf(0.5 + level / 2))
    sd = (test.high - test.low) / (2 * z) * math.sqrt(test.n)
    needed = math.ceil(((z + float(distributions.norm.ppf(0.8))) * sd / test.difference) ** 2)
    return max(1, needed - test.n)
