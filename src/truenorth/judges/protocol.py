"""The Judge protocol: anything that values answers, a group at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from truenorth.records import Group, Judgement


@runtime_checkable
class Judge(Protocol):
    """Values the completions of many groups. Higher is better; `score` None is "no answer"."""

    @property
    def name(self) -> str:
        """Enough to tell two judges apart: kind, model, version."""
        ...

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """One judgement per completion, in the order asked."""
        ...
