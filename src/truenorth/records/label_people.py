"""How each person labels: how much, how fast, how often right where it is known, how far with the others.

What is known are gold tasks, which look like any other. With the others means with what most of them said of
the same thing: Cohen's kappa, clustered by task. Skill is Dawid and Skene's (1979), from approvals alone: the
chance of being right, with the truth inferred from everybody, gold included.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

from truenorth.records.label_rows import ballot
from truenorth.records.labels import Gold, Label
from truenorth.stats import Estimate, dawid_skene, kappa, mean

RIGHT = 0.8  # gold answered right by people who read: an interval wholly below it is worth a look
ALIKE = 0.5  # kappa with the others: likewise
FEWEST = 5  # answers to gold, or things in common, below which nothing is said of a person
Item = tuple[str, ...]


class Person(NamedTuple):
    """seconds: the median a label, None where no time is known. with_others, skill: None where nothing is shared.

    remark: why to look at this person's labels; "" where there is no reason.
    """

    name: str
    labels: int
    seconds: float | None
    right: Estimate
    with_others: Estimate | None
    skill: float | None
    remark: str

    def __str__(self) -> str:
        parts = [f"{self.name:20} {self.labels:5,} labels"]
        parts += [f"{self.seconds:.1f} s each"] if self.seconds is not None else []
        parts += [f"right on gold {self.right}"] if self.right.n else []
        parts += [f"kappa with the others {self.with_others}"] if self.with_others else []
        parts += [f"skill {self.skill:.2f}"] if self.skill is not None else []
        return "; ".join(parts) + (f"  <- {self.remark}" if self.remark else "")


def people(labels: Sequence[Label], gold: Sequence[Gold] = ()) -> list[Person]:
    """Everybody who labelled anything, by name. Skips count as labels and as nothing else."""
    said = votes_of(labels)
    known = _votes_of_gold(gold)
    skill = skills(said, known)
    found = []
    for name in sorted({label.annotator for label in labels}):
        mine = [x for x in labels if x.annotator == name]
        times = [x.seconds for x in mine if x.seconds is not None]
        hits = _hits(said, known, name)
        right = mean([hit for _, hit in hits], clusters=[task for task, _ in hits])
        alike = with_others(said, name)
        seconds = statistics.median(times) if times else None
        found.append(Person(name, len(mine), seconds, right, alike, skill.get(name), remark(right, alike)))
    return found


def rightness(labels: Sequence[Label], gold: Sequence[Gold]) -> list[bool]:
    """Of everything in one person's labels that gold knows, whether it was right: approvals, pairs of rankings."""
    if not labels:
        return []
    return [hit for _, hit in _hits(votes_of(labels), _votes_of_gold(gold), labels[0].annotator)]


def votes_of(labels: Sequence[Label]) -> dict[Item, dict[str, Hashable]]:
    """(kind, task, answers, principle) -> who said what: approvals, ratings, and the pairs of rankings."""
    said: dict[Item, dict[str, Hashable]] = defaultdict(dict)
    for label in labels:
        if label.kind in ("approve", "rate"):
            said[label.kind, label.task, label.answer, "", label.principle][label.annotator] = label.value
        elif label.kind == "rank":
            for vote in ballot(label):
                said["rank", label.task, vote.first, vote.second, label.principle][label.annotator] = (
                    vote.outcome
                )
    return said


def with_others(said: Mapping[Item, Mapping[str, Hashable]], name: str) -> Estimate | None:
    """Kappa of this person with what most others said of the same; where they are divided, nothing is said."""
    pairs = []
    for item, votes in said.items():
        others = Counter(value for who, value in votes.items() if who != name)
        if name in votes and others:
            (most, n), *rest = others.most_common(2)
            if not rest or rest[0][1] < n:
                pairs.append((item[1], votes[name], most))
    if not pairs:
        return None
    tasks = [task for task, _, _ in pairs]
    clusters = tasks if len(set(tasks)) > 1 else None
    return kappa([mine for _, mine, _ in pairs], [most for _, _, most in pairs], clusters=clusters)


def skills(
    said: Mapping[Item, Mapping[str, Hashable]], known: Mapping[Item, Mapping[str, Hashable]]
) -> dict[str, float]:
    """Dawid and Skene's chance of being right, of everybody who approved of something that others judged too."""
    rows = [
        (item, who, value)
        for item, votes in said.items()
        if item[0] == "approve"
        for who, value in votes.items()
    ]
    shared = Counter(item for item, _, _ in rows)
    if not any(n > 1 for n in shared.values()):
        return {}
    gold: dict[Hashable, Hashable] = {
        item: value for item in shared if (value := _known(known, item)) is not None
    }
    return {str(who): chance for who, chance in dawid_skene(rows, gold=gold).skill().items()}


def remark(right: Estimate, alike: Estimate | None) -> str:
    """Why somebody's labels are worth a look."""
    if right.n >= FEWEST and right.high < RIGHT:
        return f"right on gold less often than {RIGHT:.0%}"
    if alike is not None and alike.n >= FEWEST and alike.high < ALIKE:
        return f"agrees with the others less than kappa {ALIKE}"
    return ""


def _hits(
    said: Mapping[Item, Mapping[str, Hashable]], known: Mapping[Item, Mapping[str, Hashable]], name: str
) -> list[tuple[str, bool]]:
    """(task, was it right) of everything that gold knows."""
    told = {item: _known(known, item) for item, votes in said.items() if name in votes}
    return [(item[1], said[item][name] == right) for item, right in told.items() if right is not None]


def _votes_of_gold(gold: Sequence[Gold]) -> dict[Item, dict[str, Hashable]]:
    return votes_of([Label("gold", g.task, g.kind, g.value, g.answer) for g in gold])


def _known(known: Mapping[Item, Mapping[str, Hashable]], item: Item) -> Hashable | None:
    """Gold is right whatever it was judged by."""
    return known.get((*item[:4], ""), {}).get("gold")
