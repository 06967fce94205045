"""CycleAlign's step by hand: what is learned from where judge and model agree, and what is kept."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from truenorth.recipes.steps.agreement import agreement
from truenorth.records import Row, Source


class Likely:
    """A model that finds all answers equally likely."""

    def logprobs(self, pairs: Any) -> Any:
        return [SimpleNamespace(total=-1.0, tokens=(0,)) for _ in pairs]


def verdict(text: str, score: float, times: int) -> Row:
    data = {"prompt": "What does the baker sell?", "completion": text, "times": times, "score": score}
    return Row(data, Source("judge", judge="j", parents=("a", "id")))


def test_where_a_judge_finds_all_answers_good_the_commonest_is_kept():
    """Else only what is to change would be learned from, and nothing would hold the model to the rest."""
    work: Any = SimpleNamespace(label="c@1", count=lambda name, n=1: None)
    likely: Any = Likely()
    [row] = agreement([verdict("Bread.", 1.0, 2), verdict("Loaves.", 1.0, 5)], likely, work)
    assert (row.data["use"], row.data["chosen"]) == ("keep", "Loaves.")
    [row] = agreement([verdict("Bread.", 1.0, 2), verdict("Stones.", 0.0, 1)], likely, work)
    assert (row.data["use"], row.data["chosen"], row.data["rejected"]) == ("pair", "Bread.", "Stones.")
