"""What a comparison of systems has found: pairs of systems on a metric, and parts of the items."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from truenorth.base import UserError
from truenorth.stats import Estimate, Paired

Verdict = Literal["better", "worse", "cannot tell"]


@dataclass(frozen=True)
class Slice:
    """The same comparison on a part of the items. `p_holm` is corrected over all slices of the comparison."""

    name: str
    value: str
    test: Paired
    p_holm: float


@dataclass(frozen=True)
class Pair:
    """`second` against `first` on one metric. `test.difference` is second - first.

    more: further items that would settle the sign of the difference seen, with power 0.8; 0 where settled, -1
    where the two are equal as far as seen. worst, best: the difference were all unscored items against, and
    all for, `second`; None where nothing is unscored or scores have no bounds.
    """

    metric: str
    first: str
    second: str
    lower_is_better: bool
    mean_first: Estimate
    mean_second: Estimate
    test: Paired
    p_holm: float
    verdict: Verdict
    more: int
    paired: bool
    unscored: int
    only_first: int
    only_second: int
    worst: float | None = None
    best: float | None = None
    slices: tuple[Slice, ...] = ()


@dataclass(frozen=True)
class Compared:
    """Every pair and metric. `systems` in the order given; the first is what the others are held against."""

    systems: tuple[str, ...]
    sources: dict[str, str]
    pairs: tuple[Pair, ...]

    def of(self, metric: str) -> list[Pair]:
        """The pairs of one metric.

        Raises:
            UserError: no such metric, with those there are.
        """
        found = [pair for pair in self.pairs if pair.metric == metric]
        if not found:
            known = ", ".join(dict.fromkeys(pair.metric for pair in self.pairs))
            raise UserError(f"no metric {metric!r}", expected=f"one of {known}")
        return found

    def to_dict(self) -> dict[str, Any]:
        """For JSON: what is not a finite number is null."""
        return {
            "systems": list(self.systems),
            "sources": self.sources,
            "pairs": [_plain(asdict(pair)) for pair in self.pairs],
        }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
