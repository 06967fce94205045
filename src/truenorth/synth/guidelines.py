"""A library of guidelines: which hold for a prompt is looked up among the inputs, or the words, that each is for.

Sources: Luo et al. 2024, Guide-Align (arXiv:2403.11838), a library of guidelines with the inputs they were written for;
Xu et al. 2023, OPO (arXiv:2312.15907), the norms of a day and place. The search here is exact (BM25), after the filter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from truenorth.constitution import Constitution
from truenorth.judges._prompts import asked
from truenorth.records import Prompt, Row
from truenorth.synth.retrieve import Index


class Entry(NamedTuple):
    """A guideline, the words it is found by, and what it gains there: 1 for words that are its own.

    "" is no guideline: an entry of it says of an input that it needs none.
    """

    words: str
    guideline: str
    gain: float = 1.0


@dataclass(frozen=True)
class Library:
    """What `models.guidelines.with_guidelines` looks guidelines up in.

    Args:
        inputs: different words with what each guideline gains there.
        k: guidelines given at most.
        near: inputs that are nearest to a prompt and say what each guideline would gain there.
        least: gain from which a guideline is given, in the unit of the entries' gains.
    """

    inputs: Mapping[str, Mapping[str, float]]
    k: int = 1
    near: int = 8
    least: float = 0.2
    index: Index | None = None

    @classmethod
    def of(cls, entries: Sequence[Entry], *, k: int = 1, near: int = 8, least: float = 0.2) -> Library:
        """Of any number of entries; an empty library finds nothing."""
        inputs: dict[str, dict[str, float]] = {}
        for entry in entries:
            told = inputs.setdefault(entry.words, {})
            if entry.guideline:
                told[entry.guideline] = entry.gain
        return cls(inputs, k, near, least, Index.of(list(inputs)) if inputs else None)

    @classmethod
    def of_rows(cls, rows: Sequence[Row], *, k: int = 1, near: int = 8, least: float = 0.2) -> Library:
        """Of rows with `prompt`, an input, `guideline`, and the `gain` of the answers to it under that guideline."""
        entries = [
            Entry(asked(row.data["prompt"]), str(row.data["guideline"]), row.data.get("gain", 1.0))
            for row in rows
        ]
        return cls.of(entries, k=k, near=near, least=least)

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
        entries = [
            Entry(words, p.guidance or p.statement)
            for p in constitution.principles
            if p.in_force(on=on, place=place, group=group)
            for words in (*(example.prompt for example in p.examples), *p.keywords)
        ]
        return cls.of(entries, k=k, near=near)

    def search(self, text: str) -> list[tuple[str, float]]:
        """Guidelines for a prompt's words with what each would gain, most first; among equals the earlier entry's.

        The gain is the mean over the nearest inputs, each by its likeness to the prompt.
        """
        found = self.index.search(text, self.near) if self.index else []
        inputs, votes = list(self.inputs.values()), dict[str, float]()
        for i, score in found:
            for guideline, gain in inputs[i].items():
                votes[guideline] = votes.get(guideline, 0.0) + score * gain
        whole = sum(score for _, score in found)
        return sorted(((g, vote / whole) for g, vote in votes.items()), key=lambda one: -one[1])

    def find(self, text: str) -> tuple[str, ...]:
        """The `k` best guidelines of those that would gain at least `least`."""
        return tuple([guideline for guideline, gain in self.search(text) if gain >= self.least][: self.k])

    def __call__(self, prompts: Sequence[Prompt]) -> list[tuple[str, ...]]:
        return [self.find(asked(prompt)) for prompt in prompts]
