"""Base against aligned, paired on the same items, a principle at a time; whether capabilities were kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from truenorth.base import UserError
from truenorth.measure.scores import Scores
from truenorth.stats import Estimate, Kept, Paired, holm, kept, paired


@dataclass(frozen=True)
class Comparison:
    """Two models on one principle. `paired` is aligned - base, `p_holm` its p over all principles."""

    base: Estimate
    aligned: Estimate
    paired: Paired
    p_holm: float
    dropped: int  # pairs in which one of the two has no score

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "base": self.base.to_dict(),
            "aligned": self.aligned.to_dict(),
            "paired": {**self.paired.to_dict(), "p_holm": self.p_holm, "dropped": self.dropped},
        }


def compare(base: Scores, aligned: Scores, *, level: float = 0.95, seed: int = 0) -> dict[str, Comparison]:
    """Principle -> base, aligned, paired difference; p-values also corrected over the principles (Holm).

    Both must have answered the same items with the same seeds and numbers of samples. Estimates use all
    scores of a model; the paired difference uses pairs in which both have one.

    Raises:
        UserError: other items, seeds or samples in one than in the other.
    """
    _same_answers(base, aligned)
    found: dict[str, tuple[Paired, int]] = {}
    for name in base.principles:
        other = {a.key: a.score for a in aligned.of(name).answers}
        pairs = [(a.score, other[a.key], a.item.group) for a in base.of(name).answers]
        whole = [(x, y, group) for x, y, group in pairs if x is not None and y is not None]
        befores, afters, groups = ([row[k] for row in whole] for k in range(3))
        test = paired(befores, afters, clusters=groups, level=level, seed=seed)
        found[name] = (test, len(pairs) - len(whole))
    adjusted = holm([test.p for test, _ in found.values()])
    return {
        name: Comparison(
            base.of(name).estimate(level=level), aligned.of(name).estimate(level=level), test, p, dropped
        )
        for (name, (test, dropped)), p in zip(found.items(), adjusted, strict=True)
    }


def capabilities(
    comparisons: Mapping[str, Comparison], *, margin: float = 0.02, power: float = 0.8
) -> dict[str, Kept]:
    """Capability -> was it kept within `margin`: yes, no, or cannot tell and how many more items it takes."""
    return {name: kept(c.paired, margin=margin, power=power) for name, c in comparisons.items()}


def _same_answers(base: Scores, aligned: Scores) -> None:
    first = {(a.key, a.item.principle) for a in base.answers}
    second = {(a.key, a.item.principle) for a in aligned.answers}
    if first != second:
        what = f"{len(first - second)} answers of {base.model} only, {len(second - first)} of {aligned.model}"
        raise UserError(what, where="compare", expected="the same items, seeds and numbers of samples")
