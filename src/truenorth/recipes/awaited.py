"""People as a judge of a run: where answers wait for them, the run stops, says so, and goes on when they are done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from truenorth.judges.people import PeopleJudge
from truenorth.recipes.run_budget import OutOfBudget
from truenorth.records import Group, Judgement


class Waiting(OutOfBudget):
    """People are to judge something first. What was made is kept; the same command goes on from there."""


@dataclass(frozen=True)
class Awaited:
    """A queue of people whose verdicts are needed, all of them."""

    inner: PeopleJudge

    @property
    def name(self) -> str:
        return self.inner.name

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """As the people within.

        Raises:
            Waiting: they have not judged all of it yet.
        """
        found = self.inner.judge(groups)
        if told := self.inner.waiting:
            raise Waiting(told)
        return found
