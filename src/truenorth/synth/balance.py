"""Who is in the data: each group's share and how its rows are labelled, beside the others, with intervals.

A model learns what a group's rows are labelled as: a dialect that is mostly labelled toxic is learned as a sign of
toxicity (Sap et al., "The Risk of Racial Bias in Hate Speech Detection", 2019). Weights that give every group its
share of a population are beside the counts; whether to use them is a choice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from truenorth.base import UserError
from truenorth.stats import Estimate, rate
from truenorth.stats.margins import rates_difference

LABELS: dict[str, bool] = {
    **dict.fromkeys(("true", "1", "1.0", "yes"), True),
    **dict.fromkeys(("false", "0", "0.0", "no"), False),
}


class GroupRow(NamedTuple):
    """One group. `labelled`: the rate of its label; `difference`: that rate minus the other groups' together;
    `weight`: of each of its rows, so that the group has its share of the population."""

    name: str
    rows: int
    share: Estimate
    population: float
    weight: float
    labelled: Estimate | None
    difference: Estimate | None

    @property
    def apart(self) -> bool:
        """Whether its label's rate differs from the others', given how many groups are compared."""
        return self.difference is not None and not self.difference.low <= 0 <= self.difference.high


class Balance(NamedTuple):
    """Groups by size, largest first. `missing`: rows without a group; `unlabelled`: rows with one but no label."""

    groups: list[GroupRow]
    rows: int
    missing: int
    unlabelled: int


def balance(
    groups: Iterable[str | None],
    labels: Iterable[bool | None] | None = None,
    *,
    population: Mapping[str, float] | None = None,
    level: float = 0.95,
) -> Balance:
    """Count a stream of rows; memory is that of the groups. Shares and rates have intervals of `level`, differences
    of 1 - (1 - level) / groups (Bonferroni), so that all of them hold together.

    Args:
        labels: of the rows, in the same order; None: not labelled.
        population: the share each group should have (default: equal shares); scaled to sum to 1.

    Raises:
        UserError: more or fewer labels than rows, no row with a group, or a population without one of the groups.
    """
    counts: Counter[str] = Counter()
    said: dict[str, list[int]] = {}
    missing = unlabelled = 0
    paired = ((group, None) for group in groups) if labels is None else zip(groups, labels, strict=True)
    try:
        for group, label in paired:
            if group is None:
                missing += 1
                continue
            counts[group] += 1
            if label is None:
                unlabelled += labels is not None
            else:
                of_group = said.setdefault(group, [0, 0])
                of_group[0] += bool(label)
                of_group[1] += 1
    except ValueError as error:
        raise UserError("not as many labels as rows", where="balance") from error
    if not counts:
        raise UserError("no row has a group", where="balance")
    wanted = _wanted(counts, population)
    rows = sum(counts.values())
    made = [
        GroupRow(
            name,
            count,
            rate(count, rows, level=level),
            wanted[name],
            wanted[name] * rows / count,
            rate(*said[name], level=level) if name in said else None,
            _difference(name, said, 1 - (1 - level) / max(1, len(counts))),
        )
        for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    return Balance(made, rows, missing, unlabelled)


def weights(groups: Sequence[str], *, population: Mapping[str, float] | None = None) -> list[float]:
    """A weight a row, of mean 1, with which each group has its share of the population: inverse propensity.

    A mean with these weights is the population's mean wherever the group says who was sampled (Horvitz and
    Thompson, 1952; Hajek's form).
    """
    counts = Counter(groups)
    wanted = _wanted(counts, population)
    return [wanted[group] * len(groups) / counts[group] for group in groups]


def draw(
    groups: Sequence[str], n: int, *, population: Mapping[str, float] | None = None, seed: int = 0
) -> list[int]:
    """`n` rows, drawn without replacement, groups as in the population as far as their rows last; in order.

    Weighted sampling by exponential keys (Efraimidis and Spirakis, 2006).

    Raises:
        UserError: `n` below 0 or above the number of rows.
    """
    if not 0 <= n <= len(groups):
        raise UserError(f"{n} rows", where="draw", expected=f"0 to {len(groups)}")
    weight_N = np.array(weights(groups, population=population))
    key_N = np.random.default_rng(seed).exponential(size=len(groups)) / np.maximum(weight_N, 1e-300)
    return sorted(np.argsort(key_N, kind="stable")[:n].tolist())


def label_of(value: object) -> bool | None:
    """A label as files have it: true, 1, "yes"; nothing is None.

    Raises:
        ValueError: something else.
    """
    if value is None or value == "":
        return None
    if str(value).strip().lower() not in LABELS:
        raise ValueError(f"{value!r} is neither true nor false")
    return LABELS[str(value).strip().lower()]


def _wanted(counts: Mapping[str, int], population: Mapping[str, float] | None) -> dict[str, float]:
    """The share that each group should have."""
    if population is None:
        return dict.fromkeys(counts, 1 / len(counts))
    lacking = [name for name in counts if name not in population]
    if lacking or min(population.values()) < 0 or sum(population[name] for name in counts) <= 0:
        what = f"no share for {', '.join(lacking)}" if lacking else "shares below 0, or all 0"
        raise UserError(what, where="population", expected="a share a group")
    whole = sum(population[name] for name in counts)
    return {name: population[name] / whole for name in counts}


def _difference(name: str, said: Mapping[str, Sequence[int]], level: float) -> Estimate | None:
    others = [counts for other, counts in said.items() if other != name]
    if name not in said or not others:
        return None
    yes, n = (sum(column) for column in zip(*others))
    return rates_difference(yes, n, *said[name], level=level)
