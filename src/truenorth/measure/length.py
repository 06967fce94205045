"""How long answers are, and how they end."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from truenorth.records import Completion
from truenorth.stats import Estimate, mean, ratio


class Length(NamedTuple):
    """`truncated` and `empty` are shares of the answers that came; those that did not are the abstained."""

    words: Estimate
    tokens: Estimate  # of the answers whose tokens are known
    truncated: Estimate
    empty: Estimate


def length(completions: Sequence[Completion], *, clusters: Sequence[Hashable] | None = None) -> Length:
    """The length of answers in words and tokens, and the shares cut off and empty, with intervals.

    Args:
        clusters: one label a completion; give all answers to one prompt the same.
    """
    came = [i for i, c in enumerate(completions) if c.finish != "error"]
    known = [i for i in came if completions[i].tokens]

    def over(places: list[int], values: list[Any], average: Callable[..., Estimate]) -> Estimate:
        groups = None if clusters is None else [clusters[i] for i in places]
        return average(values, clusters=groups, abstained=len(completions) - len(places))

    def count(values: list[Any], **settings: Any) -> Estimate:
        return ratio(
            values, [1.0] * len(values), **settings
        )  # a mean that never takes lengths of 1 for a rate

    return Length(
        words=over(came, [len(completions[i].text.split()) for i in came], count),
        tokens=over(known, [len(completions[i].tokens) for i in known], count),
        truncated=over(came, [completions[i].finish == "length" for i in came], mean),
        empty=over(came, [not completions[i].text.strip() for i in came], mean),
    )
