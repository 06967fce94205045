"""The scripted model keeps the protocol."""

from __future__ import annotations

import pytest

from truenorth.base import UserError
from truenorth.models import Model, ScriptedModel


def test_answers_are_the_functions_in_the_order_asked() -> None:
    model = ScriptedModel(lambda prompt, i: f"{prompt}{i}")
    ticks: list[int] = []
    answers = model.sample(["a", "b"], 2, tick=ticks.append)
    assert [[c.text for c in row] for row in answers] == [["a0", "a1"], ["b0", "b1"]]
    assert ticks == [1, 1]
    assert isinstance(model, Model)


def test_logprobs_come_from_the_given_function_or_not_at_all() -> None:
    model = ScriptedModel(lambda p, i: "", likelihood=lambda p, c: -float(len(c)))
    assert model.logprobs([("a", "bcd")])[0].total == -3.0
    assert model.answer_logprobs(["a"], ["x", "yy"]) == [{"x": -1.0, "yy": -2.0}]
    with pytest.raises(UserError, match="no log-probabilities"):
        ScriptedModel(lambda p, i: "").logprobs([("a", "b")])
