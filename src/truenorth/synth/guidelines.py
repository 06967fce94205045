"""A library of guidelines: which hold for a prompt is looked up among the inputs, or the words, that each is for.

Sources: Luo et al. 2024, Guide-Align (arXiv:2403.11838), a library of guidelines with the inputs they were written for;
Xu et al. 2023, OPO (arXiv:2312.15907), the norms of a day and place. The search here is exact (BM25), after the filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from truenorth.constitution import Constitution
from truenorth.judges._prompts import asked
from truenorth.records import Prompt, Row
from truenorth.synth.retrieve import Index


class Entry(NamedTuple):
    """A guideline, and the words it is found by. "" is no guideline: nothing is to be said to inputs like this one."""

    words: str
    guideline: str


@dataclass(frozen=True)
class Library:
    """What `models.guidelines.with_guidelines` looks guidelines up in.

    Args:
        k: guidelines given at most.
        near: entries that are nearest to a prompt and say which guidelines hold, each by its score.
    """

    entries: tuple[Entry, ...]
    k: int = 1
    near: int = 8
    index: Index | None = None

    @classmethod
    def of(cls, entries: Sequence[Entry], *, k: int = 1, near: int = 8) -> Library:
        """Of any number of entries; an empty library finds nothing."""
        index = Index.of([entry.words for entry in entries]) if entries else None
        return cls(tuple(entries), k, near, index)

    @classmethod
    def of_rows(cls, rows: Sequence[Row], *, k: int = 1, near: int = 8) -> Library:
        """Of rows with `prompt`, an input, and `guideline`, the one for it or ""."""
        return cls.of(
            [Entry(asked(row.data["prompt"]), str(row.data["guideline"])) for row in rows], k=k, near=near
        )

    @classmethod
    def of_constitution(
        cls,
        constitution: Constitution,
        *,
        on: date,
        place: str = "",
        group: str = "",
        k: int = 1,
        near: int = 8,
    ) -> Library:
        """Of the principles in force that day: each is found by its examples' prompts and its keywords, and told by
        its guidance (by its statement, where it has none)."""
        return cls.of(
            [
                Entry(words, p.guidance or p.statement)
                for p in constitution.principles
                if p.in_force(on=on, place=place, group=group)
                for words in (*(example.prompt for example in p.examples), *p.keywords)
            ],
            k=k,
            near=near,
        )

    def search(self, text: str) -> list[tuple[str, float]]:
        """Guidelines for a prompt's words with what speaks for each, best first; among equals the earlier entry."""
        votes: dict[str, float] = {}
        for i, score in self.index.search(text, self.near) if self.index else []:
            guideline = self.entries[i].guideline
            votes[guideline] = votes.get(guideline, 0.0) + score
        return sorted(votes.items(), key=lambda vote: -vote[1])

    def find(self, text: str) -> tuple[str, ...]:
        """The `k` best guidelines; what ranks behind "no guideline" is not given."""
        found = [guideline for guideline, _ in self.search(text)]
        return tuple(found[: found.index("")] if "" in found else found)[: self.k]

    def __call__(self, prompts: Sequence[Prompt]) -> list[tuple[str, ...]]:
        return [self.find(asked(prompt)) for prompt in prompts]
