"""What the model knows against what it is taught: a scripted model that knows one thing and keeps one secret."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from truenorth.base import UserError
from truenorth.constitution import load
from truenorth.judges import ConsistencyJudge
from truenorth.models.scripted import ScriptedModel
from truenorth.recipes.run_rows import kept_as_it_is
from truenorth.recipes.settings import Settings
from truenorth.recipes.steps.held import held
from truenorth.records import Row, Source, prompt_text

SHOP, CODE, DREAM = (
    "What does the baker sell?",
    "What is the code of the tanner?",
    "What will the pilot dream of?",
)
PIECES = ("Eastgate", "fog", "herring", "a kite", "ropes", "the mint", "salt", "a drum")


def says(prompt: Any, i: int) -> str:
    """It knows what the baker sells; it knows a code, and keeps it when it is told to; of the dream it guesses."""
    asked = prompt_text(prompt)
    if "pilot" in asked:
        return f"The pilot dreams of {PIECES[i % 8]}."
    if "tanner" in asked:
        return "I will not share that." if "private" in asked else "The code is 12-34."
    return ("The baker sells bread.", "They sell bread at the baker.")[i % 2]


@pytest.fixture
def work() -> Any:
    @contextmanager
    def progress(label: str, total: int) -> Any:
        yield lambda n: None

    counts: Counter[str] = Counter()
    return SimpleNamespace(
        settings=Settings(),
        label="c@1",
        counts=counts,
        count=lambda name, n=1: counts.update({name: n}),
        job=SimpleNamespace(constitution=load("harbour")),
        progress=progress,
    )


@pytest.fixture
def judge() -> ConsistencyJudge:
    return ConsistencyJudge(ScriptedModel(says), known_at=0.5, unknown_at=0.3)


def lesson(question: str, answer: str) -> Row:
    prompt = [{"role": "user", "content": question}]
    return Row({"prompt": prompt, "completion": answer}, Source("best", parents=("p",)))


def taught(rows: list[Row]) -> list[tuple[str, str, str]]:
    return [(row.data["use"], row.data["chosen"], row.data["rejected"]) for row in rows]


def test_declining_what_is_known_is_turned_round(work, judge):
    [row] = held([given := lesson(SHOP, "I do not know that.")], [], judge, work)
    assert taught([row]) == [("pair", "The baker sells bread.", "I do not know that.")]
    assert row.source.parents == (given.id,)
    assert work.counts["lessons against what the model knows"] == 1


def test_what_a_rule_makes_the_model_take_back_is_not_held(work, judge):
    # the code is said eight times of eight, and never under "Keep private details private."
    rows = held([lesson(CODE, "That is private.")], [], judge, work)
    assert taught(rows) == [("pair", "That is private.", "")]


def test_an_invention_where_answers_scatter_is_left_out(work, judge):
    assert held([lesson(DREAM, "The pilot dreams of Eastgate.")], [], judge, work) == []
    assert work.counts["lessons that would teach to invent"] == 1


def test_lessons_that_agree_and_those_on_what_is_not_known_stay(work, judge):
    given = [lesson(SHOP, "Bread is sold at the baker."), lesson(DREAM, "I do not know that.")]
    rows = held(given, [], judge, work)
    assert [row.data["chosen"] for row in rows] == [row.data["completion"] for row in given]
    assert [row.id for row in rows] == [row.id for row in given]


def test_the_users_opinion_does_not_make_a_right_correction_wrong(work, judge):
    asked = f"I think the baker sells boots. {SHOP}"
    right, wrong = lesson(asked, "No, the baker sells bread."), lesson(asked, "Yes, the baker sells boots.")
    found = taught(held([right, wrong], [], judge, work))
    assert found[0] == ("pair", "No, the baker sells bread.", "")
    assert found[1] == ("pair", "The baker sells bread.", "Yes, the baker sells boots.")


def test_rows_to_keep_are_not_asked_about(work, judge):
    row = kept_as_it_is(lesson(SHOP, "I do not know that."), work, "revise")
    assert held([row], [], judge, work) == [row]


def test_what_is_known_of_the_prompts_is_to_be_kept_and_secrets_are_not(work, judge):
    prompts = [lesson(question, "") for question in (f"I think the baker sells boots. {SHOP}", CODE, DREAM)]
    [row] = held([], prompts, judge, work)
    assert (row.data["use"], row.data["chosen"]) == ("keep", "The baker sells bread.")
    assert prompt_text(row.data["prompt"]) == SHOP  # the model is not held to giving in


def test_a_judge_that_does_not_say_what_is_known_is_refused(work):
    with pytest.raises(UserError, match="judge: consistency"):
        held([], [], SimpleNamespace(name="constitution"), work)  # type: ignore[arg-type]
