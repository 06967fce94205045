"""Multiple choice: the likeliest option, by its sum and by its length, as lm-evaluation-harness counts."""

from __future__ import annotations

from typing import Any

import pytest

from truenorth.base import UserError
from truenorth.measure import Question, multiple_choice
from truenorth.measure.multiple_choice import asked
from truenorth.models.local import LocalModel


class Table:
    """A model that knows the nats of each option."""

    def __init__(self, nats: dict[str, float]):
        self.nats, self.asked = nats, []

    def continuation_logprobs(self, pairs: Any, *, tick: Any = None) -> list[tuple[float, ...]]:
        self.asked += pairs
        return [(0.0, self.nats[option.strip()]) for _, option in pairs]


def test_the_likeliest_option_counts_and_by_length_the_likeliest_a_character():
    """ "no" has -2 nats, "certainly" -4.5: the sum prefers "no", -2/2 against -4.5/9 a character the other."""
    model = Table({"no": -2.0, "certainly": -4.5})
    found = multiple_choice(model, [Question("1", "Is it?", ("no", "certainly"), 1)])
    assert (found.acc.mean, found.acc_norm.mean) == (0.0, 1.0)
    assert found.chosen[0].logprobs == (-2.0, -4.5)
    assert model.asked == [("Is it?", " no"), ("Is it?", " certainly")]


def test_of_equal_options_the_first_is_taken_and_spaces_go_to_the_option():
    found = multiple_choice(Table({"a": -1.0, "b": -1.0}), [Question("1", "x", ("a", "b"), 0)])
    assert found.acc.mean == 1
    assert asked(Question("1", "x  ", ("a",), 0)) == [("x", "   a")]
    assert asked(Question("1", "x", ("a",), 0), separator="") == [("x", "a")]
    chat = [{"role": "user", "content": "x "}]
    assert asked(Question("1", chat, ("a",), 0)) == [(chat, "a")]


def test_questions_of_one_source_are_one_cluster():
    model = Table({"a": -1.0, "b": -2.0})
    alone = [Question(str(i), "x", ("a", "b"), i // 20) for i in range(40)]
    tied = [q._replace(cluster=f"source {i // 10}") for i, q in enumerate(alone)]
    one, other = multiple_choice(model, alone).acc, multiple_choice(model, tied).acc
    assert one.mean == other.mean == 0.5
    assert other.high - other.low > 1.5 * (one.high - one.low)


@pytest.mark.parametrize("template", ["none", "chatml"])
def test_a_local_model_gives_every_option_the_sum_of_its_tokens(tiny_llama: Any, template: str):
    model = LocalModel.load(tiny_llama(template=template))
    shots = "Anna sells fish. Is it nine? yes\n" * 3
    texts = [f"{shots}Is it {n}? " for n in ("noon", "five")]
    options = ("yes", "no", "never, always", "漁港")
    prompts = [t if template == "none" else [{"role": "user", "content": t}] for t in texts]
    questions = [Question(str(i), p, options, 0) for i, p in enumerate(prompts)]
    ticks: list[int] = []
    found = multiple_choice(model, questions, tick=ticks.append)
    assert sum(ticks) == 8
    for one in found.chosen:
        plain = model.logprobs(asked(one.question), end=False)
        assert one.logprobs == pytest.approx([s.total for s in plain], abs=1e-3)


@pytest.mark.parametrize(
    "question",
    [Question("7", "x", ("a",), 0), Question("7", "x", ("a", ""), 0), Question("7", "x", ("a", "b"), 2)],
)
def test_a_question_without_options_or_answer_is_named(question: Question):
    with pytest.raises(UserError, match="question 7"):
        multiple_choice(Table({}), [question])
    with pytest.raises(UserError, match="no questions"):
        multiple_choice(Table({}), [])
