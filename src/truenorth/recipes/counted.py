"""An endpoint's judge at work in a run: progress shown, what gets lost counted and bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from truenorth.engine import TooManyLosses, progress
from truenorth.judges import EndpointJudge
from truenorth.models.http import HttpModel
from truenorth.records import Group, Judgement

BOUNDED_FROM = 20  # verdicts: fewer say nothing about an endpoint


@dataclass(frozen=True)
class Counted:
    """Judges through an endpoint. Every fault met and every verdict missing is counted where `count` says.

    Args:
        share: largest share of verdicts that may be missing, over all that this judge was asked.
    """

    inner: EndpointJudge
    model: HttpModel
    count: Callable[[str, int], None]
    share: float = 0.2
    quiet: bool = False
    asked: Counter[str] = field(default_factory=Counter, compare=False)

    @property
    def name(self) -> str:
        return self.inner.name

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """As the judge within.

        Raises:
            TooManyLosses: more than `share` of the verdicts are missing (after 20 at least).
        """
        before, told = self._faults(), Counter(self.inner.counts)
        said = sum(bool(c.strip()) for g in groups for c in g.completions)
        with progress(f"asking {self.model.model}", total=said, quiet=self.quiet) as bar:
            verdicts = self.inner.judge(groups, tick=bar.tick)
        for name, n in (self._faults() - before).items():
            self.count(f"endpoint {name}", n)
        for name, n in (self.inner.counts - told).items():
            if name not in ("verdicts", "asked again"):
                self.count(f"verdicts missing: {name}", n)
        self.asked["all"] += said
        self.asked["missing"] += said - (self.inner.counts["verdicts"] - told["verdicts"])
        self._bound()
        return verdicts

    def _faults(self) -> Counter[str]:
        usage = self.model.usage
        plain = {"requests": usage.requests, "retries": usage.retries, "from the cache": usage.cached}
        return Counter(plain) + usage.by_kind

    def _bound(self) -> None:
        missing, of = self.asked["missing"], self.asked["all"]
        if of < BOUNDED_FROM or missing <= self.share * of:
            return
        kinds: dict[str, int] = {
            k: n for k, n in self.inner.counts.items() if k not in ("verdicts", "asked again")
        }
        kinds |= self.model.usage.by_kind
        told = ", ".join(f"{n:,} {kind}" for kind, n in kinds.items() if n)
        fix = "look at the endpoint and start again (what came is kept), or allow more with --max-losses"
        if self.model.usage.by_kind["budget_spent"]:
            fix = "allow more with --max-requests and start again: what came is kept"
        raise TooManyLosses(
            f"{missing:,} of {of:,} verdicts are missing ({told})",
            where=self.name,
            expected=f"at most {self.share:.0%}",
            fix=fix,
        )
