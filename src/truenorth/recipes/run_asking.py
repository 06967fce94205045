"""How a model is asked to judge answers: whether one is good, and which of two is better."""

from __future__ import annotations

from typing import Any, NamedTuple

from truenorth.judges import LogprobJudge
from truenorth.judges.logprob import COMPARISON, QUESTION


class Asking(NamedTuple):
    """Words for a model that judges; {prompt}, {answer}, {a}, {b} and {statement} are filled in."""

    rate: str = QUESTION
    options: tuple[str, str] = ("Yes", "No")
    compare: str = COMPARISON
    pair: tuple[str, str] = ("A", "B")

    def judge(self, model: Any, statement: str) -> LogprobJudge:
        """The model as a judge by the probability of its answer."""
        return LogprobJudge(
            model,
            statement=statement,
            question=self.rate,
            comparison=self.compare,
            options=self.options,
            pair_options=self.pair,
            name=f"self:{model.name}",
        )


PLAINLY_ASKED = Asking()
