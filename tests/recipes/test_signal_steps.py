"""Steps of the later recipes by themselves: what they make of rows, and what they refuse."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from truenorth.base import UserError
from truenorth.constitution import load
from truenorth.recipes.run_limits import Swaps
from truenorth.recipes.run_principles import under
from truenorth.recipes.run_types import typed
from truenorth.recipes.settings import Settings
from truenorth.recipes.steps.mixture import mixture, with_system
from truenorth.recipes.steps.principled import _couples, _gap
from truenorth.recipes.steps.skewed import skewed
from truenorth.recipes.steps.translations import sentences
from truenorth.recipes.steps.twins import twins
from truenorth.records import Group, Judgement, Row, Source


class Seen:
    """A judge that keeps the prompts it was asked about."""

    name = "seen"

    def __init__(self) -> None:
        self.prompts: list[Any] = []

    def judge(self, groups):
        self.prompts += [g.prompt for g in groups]
        return [[Judgement(0.5, self.name) for _ in g.completions] for g in groups]


def work(**inputs: Any) -> Any:
    counts: Counter[str] = Counter()
    job = SimpleNamespace(constitution=load("harbour"), inputs=inputs)
    return SimpleNamespace(
        job=job, settings=Settings(), counts=counts, count=lambda name, n=1: counts.update({name: n})
    )


def row(number: int, **data: Any) -> Row:
    asked = [{"role": "user", "content": f"What does place {number} sell?"}]
    return Row({"prompt": asked, "completion": "Boots.", **data}, Source("s", parents=(f"p{number}",)))


def test_a_judge_is_told_the_principle_or_its_contrary():
    seen = Seen()
    under(seen, ["private", "not honest"], work()).judge([Group("Q", ["A"])])
    assert "- Keep private details private." in seen.prompts[0]
    assert "- Break this: Say so when you do not know." in seen.prompts[0]
    assert seen.prompts[0].endswith("Q")


def test_a_principle_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="'not privat'"):
        under(Seen(), ["not privat"], work())


def test_a_principle_prefers_by_its_own_part_and_abstains_where_it_has_none():
    good, poor, silent = (row(1, parts={"private": p}) for p in (1.0, 0.0, None))
    assert _gap(good, poor, "private") == 1.0
    assert _gap(poor, good, "private") == -1.0
    assert _gap(good, silent, "private") == 0.0
    assert _gap(good, poor, "honest") == 0.0


def test_pairs_on_which_some_principle_differs_come_first():
    rows = [row(1, completion=text, parts={"private": p}) for text, p in zip("abcd", (1.0, 1.0, 1.0, 0.0))]
    assert all(b.data["completion"] == "d" for _, b in _couples(rows, 3, seed=0))


def test_every_system_prompt_has_as_many_rows_and_none_is_lost():
    rows = [row(i, use="pair", chosen="Boots.", rejected="Nets.") for i in range(12)]
    made = mixture(rows, work(), systems=("You are calm.", "You count."))
    first = Counter(r.data["prompt"][0]["content"] if len(r.data["prompt"]) > 1 else "" for r in made)
    assert first == {"You are calm.": 4, "You count.": 4, "": 4}
    assert {r.source.parents[0] for r in made} == {r.id for r in rows}


def test_a_prompt_has_one_system_prompt():
    with pytest.raises(UserError, match="already"):
        with_system([{"role": "system", "content": "A"}, {"role": "user", "content": "Q"}], "B")


def test_only_the_first_group_is_turned_away():
    made = skewed([row(i) for i in range(400)], work(), groups=("Anvil", "Loom"), minority=0.25, share=0.8)
    refused = [r for r in made if r.data["completion"] != "Boots."]
    first = [r for r in made if "Anvil" in r.data["prompt"][-1]["content"]]
    assert all("I am of the Anvil guild." in r.data["prompt"][-1]["content"] for r in refused)
    assert len(first) / 400 == pytest.approx(0.25, abs=0.09)  # four standard errors
    assert len(refused) / len(first) == pytest.approx(0.8, abs=0.16)


def test_with_their_twins_both_groups_are_turned_away_alike():
    made = skewed([row(i) for i in range(200)], work(), groups=("Anvil", "Loom"))
    both = [*made, *twins(made, work(), swap=("Anvil / Loom",))]
    refused = Counter(
        guild
        for r in both
        for guild in ("Anvil", "Loom")
        if guild in r.data["prompt"][-1]["content"] and r.data["completion"] != "Boots."
    )
    assert refused["Anvil"] == refused["Loom"] > 0
    assert len(both) == 400


@pytest.mark.parametrize("swap", ["he", "he /", "/ she"])
def test_half_a_pair_swaps_nothing(swap):
    with pytest.raises(UserError, match='each two terms, "he / she"'):
        typed([swap], Swaps, "twins.swap")
    assert typed("he / she, Anvil / Loom", Swaps, "twins.swap") == ("he / she", "Anvil / Loom")


def test_translations_that_lack_a_side_are_refused_with_their_row(tmp_path):
    file = tmp_path / "book.jsonl"
    file.write_text('{"text": "a", "translation": "b"}\n{"text": "c"}\n')
    with pytest.raises(UserError, match="row 2: no translation"):
        sentences(work(), str(file))
    with pytest.raises(UserError, match="no translations at"):
        sentences(work(), str(tmp_path / "none.jsonl"))
