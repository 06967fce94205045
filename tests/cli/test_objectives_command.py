"""`truenorth objectives`: the table, one explained, a loss from a formula."""

from __future__ import annotations

import subprocess
import sys

import pytest

from truenorth.base import names
from truenorth.cli.main import main
from truenorth.cli.objectives import card
from truenorth.learn.coupling import load_objective, needs

CATALOGUE = "truenorth.learn.objectives"
COUPLED = {"answer": "answers", "pair": "pairs", "group": "lists", "batch": "whole batch",
           "distribution": "answers, distributions", "score": "scored answers", "score_pair": "scored pairs",
           "token_score": "scored tokens", "state_pair": "two wordings"}  # fmt: skip


@pytest.mark.parametrize("name", names(CATALOGUE))
def test_a_card_read_without_importing_says_what_the_objective_declares(name):
    need, told = needs(load_objective(name)), card(name)
    assert told.takes == COUPLED[need.coupling]
    assert {c.rstrip("?") for c in told.columns} >= set(need.columns)
    assert {c.rstrip("?") for c in told.columns if c.endswith("?")} == set(need.optional)
    assert (told.reference, told.divergence) == (need.reference, need.kl)
    assert told.average == need.average.removeprefix("per_")
    assert set(told.settings) == set(need.settings)
    assert told.about[-1] in ".?"
    assert told.formula.startswith("(")


def test_the_table_has_a_line_for_each_and_loads_no_torch():
    code = (
        "import sys; from truenorth.cli.main import main; main(['objectives']); "
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    head, *lines, loaded = done.stdout.splitlines()
    assert loaded == "set()"
    assert head.split() == ["name", "needs", "average"]
    assert [line.split()[0] for line in lines] == names(CATALOGUE)
    [bco] = [line for line in lines if line.startswith("bco ")]
    assert "whole batch, label, density_ratio?, reference" in bco


def test_a_list_is_names_only(capsys):
    assert main(["objectives", "--list"]) == 0
    assert capsys.readouterr().out.split() == names(CATALOGUE)


def test_one_is_explained_with_formula_settings_source_and_logic(capsys):
    assert main(["objectives", "explain", "hinge"]) == 0
    said = capsys.readouterr().out
    for part in ("max(0, 1 - beta * margin)", "settings: beta=0.1", "needs: pairs, reference",
                 "Source: TRL's `hinge`", "core   (l & rw) -> (w & rl)", "dpo"):  # fmt: skip
        assert part in said
    assert ">>>" not in said


def test_where_the_theory_does_not_reach_it_says_why(capsys):
    assert main(["objectives", "explain", "kto"]) == 0
    assert "logic: does not apply: its reference point is the mean log-ratio" in capsys.readouterr().out


def test_a_formula_becomes_a_loss_with_its_neighbours(capsys):
    assert main(["objectives", "derive", "l -> w", "--given", "w ^ l"]) == 0
    said = capsys.readouterr().out
    assert "same formula: orpo (part 1)" in said
    assert "derive('l -> w', given='w ^ l')" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["explain", "simpoo"], "no objective 'simpoo'; did you mean simpo"),
        (["explain"], "explain what?"),
        (["derive", "w &"], "ends too early"),
        (["derive", "w | ~w"], "nothing loses"),
    ],
)
def test_mistakes_are_one_line_with_a_way_out(words, message, capsys):
    assert main(["objectives", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_catalogue_lists_them_too(capsys):
    assert main(["catalogue", "objectives", "--list"]) == 0
    assert capsys.readouterr().out.split() == names(CATALOGUE)
