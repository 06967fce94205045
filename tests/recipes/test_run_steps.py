"""Every kind of step, once, on the smallest organism: what it declares is what it makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from truenorth.base import names
from truenorth.cli.main import main
from truenorth.engine import View
from truenorth.recipes.run_check import CATALOGUE, Bound, bound
from truenorth.recipes.run_forecast import loads
from truenorth.recipes.run_recipe import read_recipe
from truenorth.recipes.settings import Settings

EVERY = Path(__file__).with_name("every.yaml")
STEPS = bound(read_recipe(EVERY))
ROWS = [step for step in STEPS if step.makes == "rows"]


@pytest.fixture(scope="module")
def view(tmp_path_factory) -> View:
    folder = tmp_path_factory.mktemp("runs") / "every"
    assert main(["run", str(EVERY), "--out", str(folder), "--quiet"]) in (0, 1)
    return View.read(folder)


def test_every_kind_of_step_is_tried_here():
    assert {step.kind for step in STEPS} == set(names(CATALOGUE))


@pytest.mark.parametrize("step", ROWS, ids=lambda step: step.name)
def test_a_step_makes_the_columns_that_it_declares(view: View, step: Bound):
    rows = view.rows(step.name)
    assert rows
    assert len({row.id for row in rows}) == len(rows)
    for row in rows:
        assert set(step.columns or ()) <= set(row.data), row.data
        sides = [row.data[k] for k in ("completion", "chosen") if k in row.data]
        assert all(isinstance(text, str) and text.strip() for text in sides)
        if row.data.get("use") == "pair":
            assert row.data["chosen"] != row.data["rejected"]


@pytest.mark.parametrize("step", ROWS, ids=lambda step: step.name)
def test_a_row_leads_back_to_where_it_all_began(view: View, step: Bound):
    begins = {
        "documents",
        "labelled",
        "persona_prompts",
        "private_prompts",
        "problems",
        "prompts",
        "red_team",
        "taxonomy",
        "translations",
    }
    row, at = view.rows(step.name)[-1], step.name
    while at not in begins:
        found = view.find(row.source.parents[-1])
        assert found is not None, (at, row.source)
        row, at = found.row, found.step


def test_the_forecast_is_within_a_factor_of_four_of_what_came(view: View):
    recipe = read_recipe(EVERY)
    settings = Settings(**recipe.settings)  # type: ignore[arg-type]
    told = {name: load.rows for name, load in loads(STEPS, settings) if load.rows}
    for name, expected in told.items():
        assert 0.25 * expected <= len(view.rows(name)) <= 4 * expected, name
