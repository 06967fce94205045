"""Recipes as files: what is refused before anything starts, and what a dry run says."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, get_args, get_origin, get_type_hints

import pytest

from truenorth.base import UserError, find, names
from truenorth.cli.main import main
from truenorth.recipes.run_budget import Budget
from truenorth.recipes.run_check import CATALOGUE, bound
from truenorth.recipes.run_forecast import loads
from truenorth.recipes.run_recipe import read_recipe, recipe_names
from truenorth.recipes.run_types import typed
from truenorth.recipes.settings import Settings

GOOD = """\
title: A test
steps:
  prompts: {}
  answers: {n: 2}
  verdicts: {}
  pairs: {margin: 0.1}
  policy: {step: train, rows: pairs}
"""
LONGEST = 40  # lines that a person still reads


@pytest.mark.parametrize("name", recipe_names())
def test_a_shipped_recipe_fits_together_is_short_and_says_what_it_is(name):
    recipe = read_recipe(name)
    assert bound(recipe)
    assert recipe.paper
    assert recipe.system
    assert recipe.about
    assert recipe.differs
    assert recipe.claim is not None
    assert len(recipe.path.read_text().splitlines()) <= LONGEST


def test_every_recipe_and_every_step_is_on_its_page():
    text = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
    assert [n for n in recipe_names() if f"truenorth run {n}" not in text] == []
    assert [n for n in names(CATALOGUE) if f"`{n}`" not in text] == []


def refused(tmp_path: Path, old: str, new: str) -> str:
    assert old in GOOD
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(UserError) as error:
        bound(read_recipe(file))
    return str(error.value).replace(str(tmp_path), "")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("answers: {n: 2}", "answer: {n: 2}", ["line 4", "unknown step 'answer'", "did you mean answers?"]),
        ("{n: 2}", "{m: 2}", ["line 4, steps.answers.m", "unknown setting of step answers 'm'"]),
        ("{n: 2}", "{n: many}", ["line 4, steps.answers.n", "'many'", "int"]),
        ("{margin: 0.1}", "{verdicts: verdict}", ["line 6", "'verdict'", "did you mean verdicts?"]),
        (
            "{margin: 0.1}",
            "{verdicts: answers}",
            ["rows of answers have no score", "expected one of verdicts"],
        ),
        ("{margin: 0.1}", "{verdicts: policy}", ["line 6", "uses policy, which comes later"]),
        ("rows: pairs", "rows: verdicts", ["dpo compares answers", "rows of verdicts have none"]),
        ("rows: pairs", "rows: pairs, objective: dpi", ["objective 'dpi'"]),
        ("rows: pairs", "rows: pairs, model: police", ["no model 'police'", "base"]),
        ("rows: pairs", "rows: pairs, judge: me", ["no judge 'me'", "constitution, self, consistency"]),
        ("rows: pairs", "rows: pairs, judge: 'people:q.sqlite'", ["people cannot watch a training"]),
        ("verdicts: {}", "verdicts: {judge: people}", ["line 5", "expected people:FILE"]),
        ("verdicts: {}", "verdicts: {judge: 'people:q?ask=vote'}", ["one of approve, rate, rank"]),
        (", rows: pairs", "", ["does not say whose rows", "rows: pairs"]),
        ("title: A test", "titel: A test", ["line 1", "did you mean title?"]),
        ("title: A test\n", "", ["no title"]),
        ("  prompts: {}", "  prompts: []", ["line 3", "no step"]),
        ("step: train", "step: 'os:getcwd'", ["names code (os:getcwd)", "--allow-code"]),
        ("  policy: {step: train, rows: pairs}\n", "", ["no step trains a model"]),
        ("  prompts: {}", "  base: {step: prompts}", ["cannot be named 'base'"]),
        ("{}", "{}\n  prompts: {}", ["written twice"]),
        (
            "steps:",
            "claim: {quantity: honest, over: pairs}\nsteps:",
            ["claim.over", "no model 'pairs'", "base, policy"],
        ),
        ("steps:", "claim: {quantity: honest, direction: left}\nsteps:", ["not a claim"]),
        ("steps:", "measure: [[gazette]]\nsteps:", ["line 2, measure", "a list of gazette, roles"]),
    ],
)
def test_what_is_wrong_with_a_recipe_is_said_with_its_line(tmp_path, old, new, says):
    told = refused(tmp_path, old, new)
    assert all(word in told for word in says), told


def limits_of(hint) -> list[tuple]:
    """The limits of a setting's type, of each of its alternatives."""
    options = get_args(hint) if type(None) in get_args(hint) else (hint,)
    return [(get_args(o) if get_origin(o) is Annotated else (o,)) for o in options]


@pytest.mark.parametrize("kind", names("truenorth.recipes.steps"))
def test_every_number_that_a_step_may_be_set_to_has_limits_and_its_default_is_within(kind):
    function = find("truenorth.recipes.steps", kind)
    hints = get_type_hints(function, include_extras=True)
    for setting in inspect.signature(function).parameters.values():
        if setting.kind is not setting.KEYWORD_ONLY:
            continue
        for type_, *limits in limits_of(hints[setting.name]):
            assert type_ not in (int, float) or limits, f"{setting.name} of {kind} has no limits"
            if setting.default not in (None, setting.empty, ()):
                assert all(limit.fits(setting.default) for limit in limits), setting.name


def test_an_unknown_recipe_is_refused_with_the_nearest(capsys):
    assert main(["run", "magpi"]) == 2
    assert "did you mean magpie?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["magpie", "--set", "answer.n=2"], "did you mean answers?"),
        (["magpie", "--set", "answers.m=2"], "unknown setting"),
        (["magpie", "--set", "prompt=2"], "did you mean prompts?"),
        (["magpie", "--prompts", "p.txt"], "--prompts needs --model"),
        (["magpie", "--budget", "soon"], "is no budget"),
        (["magpie", "--use", "weak=x"], "unknown model of the recipe 'weak'"),
        (["magpie", "--sampler", "openai:x"], "no address of the endpoint"),
        (["magpie", "--sampler", "./nowhere", "--dry-run"], "nowhere: no such model folder"),
        (["magpie", "--model", "m"], "--model needs --constitution"),
        (["magpie", "--model", "openai:m"], "the endpoint as --sampler"),
        (["constitutional-ai", "--set", "revisions.only=kindness"], "no principle 'kindness'"),
        (["salmon", "--set", "contrary.under=not kind"], "no principle 'not kind'"),
        ([], "which recipe?"),
        (["almost", "--set", "held.n=-1"], "--set held.n: -1; expected 0 or more; left out it is 3"),
        (["dialectical", "--set", "notes.lies=-1"], "--set notes.lies: -1; expected 0 or more"),
        (["dialectical", "--set", "notes.shares=0.5,2"], "each a fraction from 0 to 1"),
        (["constitutional-ai", "--set", "policy.batch=0"], "--set policy.batch: 0; expected 1 or more"),
        (["constitutional-ai", "--set", "policy.lr=1e999"], "'1e999'; expected float or null"),
        (["constitutional-ai", "--set", "policy.objective=hinje"], "did you mean hinge?"),
        (["constitutional-ai", "--set", "policy.objective=kto"], "does not learn from pairs alone"),
        (
            ["constitutional-ai", "--set", "preferences.judge=constitution"],
            "compares nothing; expected judge: self",
        ),
        (["lab", "--set", "held.judge=self"], "does not say what is known; expected judge: consistency"),
        (["lab", "--set", "taxonomy.way=turn"], "did you mean turns?"),
        (["lab", "--set", "taxonomy.file=none.yaml"], "expected a file that is there"),
        (["deita", "--set", "select.share=2"], "expected above 0, at most 1; left out it is 0.1"),
        (
            ["process-rewards", "--set", "step_labels.separator=(a+)+$"],
            "a regular expression that comes to an end",
        ),
        (["process-rewards", "--set", "problems.level=odd"], "no sums of level 'odd'"),
        (["magpie", "--set", "margin=3"], "margin is 3.0; expected from 0 to 1"),
        (["magpie", "--set", "held_prompts=0"], "no prompt would watch the training; expected 1 or more"),
    ],
)
def test_options_that_do_not_fit_are_one_line(words, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["run", *words, "--dry-run"]) == 2
    said = capsys.readouterr().err
    assert says in said, said
    assert len(said.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_dry_run_says_what_each_step_would_do_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "magpie", "--dry-run", "--set", "answers.n=3", "--set", "prompts=100"]) == 0
    said = capsys.readouterr().out
    # 100 prompts of 2.6 draws each; 3 answers each and 8 unbiased ones to about 15 % of them
    assert "prompts: prompts (base), about 100 rows, 260 answers sampled" in said
    assert "answers: answers (prompts, base), about 336 rows, 420 answers sampled" in said
    assert "time" in said
    assert not list(tmp_path.iterdir())


def test_a_dry_run_counts_the_requests_to_an_endpoint_that_answers(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["--sampler", "openai:teacher", "--sampler-url", "http://127.0.0.1:9/v1", "--set", "prompts=100"]
    assert (
        main(["run", "rlcd", "--dry-run", *words, "--set", "prompts.model=base", "--set", "contrast.n=3"])
        == 0
    )
    assert "about 600 to endpoints" in capsys.readouterr().out  # three pairs of two answers to each of 100


def test_the_forecast_follows_sizes_through_the_steps():
    steps = bound(read_recipe("magpie"), {"answers": {"n": "4", "unbiased": "0"}})
    found = dict(loads(steps, Settings(prompts=200, steps=10, batch=8, keep=0, documents=0)))
    assert found["answers"].answers == 800
    assert found["verdicts"].reads == found["answers"].rows
    assert found["pairs"].rows <= 200
    assert found["policy"].trained == 10 * 8 * 2  # pairs: two texts each, no anchors


@pytest.mark.parametrize(
    ("value", "kind", "wanted"),
    [
        ("5e-4", float, 0.0005),
        (2, float, 2.0),
        ("3", int, 3),
        ("null", int | None, None),
        ("true", bool, True),
        ("a, b", tuple[str, ...], ("a", "b")),
        (["a", "b"], tuple[str, ...], ("a", "b")),
    ],
)
def test_settings_are_read_as_their_type(value, kind, wanted):
    assert typed(value, kind, "here") == wanted


@pytest.mark.parametrize(("value", "kind"), [("2.5", int), (True, int), ("x", float), (1, bool), (3, str)])
def test_settings_of_another_type_are_refused(value, kind):
    with pytest.raises(UserError, match="expected"):
        typed(value, kind, "here")


@pytest.mark.parametrize(
    ("text", "seconds", "requests"),
    [("90s", 90, None), ("10m", 600, None), ("2h", 7200, None), ("5 requests", None, 5)],
)
def test_a_budget_is_a_time_or_a_number_of_requests(text, seconds, requests):
    budget = Budget.parse(text)
    assert (budget.seconds, budget.requests) == (seconds, requests)


@pytest.mark.parametrize("text", ["", "10", "0m", "-3m", "1.5 requests", "10m 3s"])
def test_other_budgets_are_refused(text):
    with pytest.raises(UserError, match="is no budget"):
        Budget.parse(text)


def test_a_recipe_that_cannot_run_here_says_what_it_lacks(tmp_path, monkeypatch, capsys, tiny_llama):
    monkeypatch.chdir(tmp_path)
    policy = "name: p\nversion: '1'\nprinciples:\n  - {id: e, statement: An e., checks: [{require: {answer: e}}]}\n"
    (tmp_path / "policy.yaml").write_text(policy)
    (tmp_path / "prompts.txt").write_text("".join(f"What of boat {i}?\n" for i in range(120)))
    words = [
        "--model",
        str(tiny_llama()),
        "--constitution",
        "policy.yaml",
        "--prompts",
        "prompts.txt",
        "--dry-run",
    ]
    assert main(["run", "isara", *words]) == 2
    assert "needs --labels" in capsys.readouterr().err
    assert main(["run", "rlcd", *words]) == 2
    assert "guidance" in capsys.readouterr().err
    assert main(["run", "magpie", *words]) == 0


def test_two_rankings_have_their_longest_common_order():
    from truenorth.recipes.steps.agreement import common
    from truenorth.records import Row, Source

    a, b, c, d = (Row({"prompt": "p", "completion": x}, Source("s")) for x in "abcd")
    assert common([a, b, c, d], [a, b, c, d]) == [a, b, c, d]
    # of [b, d], [b, c] and [a, c] the one that begins first in the first ranking
    assert common([a, b, c, d], [b, d, a, c]) == [a, c]
    assert common([a, b, c, d], [b, a, d, c]) == [a, c]
    assert len(common([a, b, c], [c, b, a])) == 1


def told(recipe) -> str:
    """What the page says of a recipe's gold result."""
    gold, claim = recipe.gold, recipe.claim
    if gold is None:
        return "*Gold result:* not yet measured."
    seeds = "three seeds" if gold.seeds >= 3 else "one seed, a first look"
    return (
        f"*Gold result* ({seeds}; {gold.prompts:,} prompts, {gold.steps} steps): {claim.quantity}, {claim.set}, "
        f"{gold.points:+.1f} points over the {claim.over} ({gold.low:+.1f} to {gold.high:+.1f}, 99 %); the four "
        f"principles {gold.overall:+.1f} on average, the controls {gold.controls:+.1f}, known facts "
        f"{gold.facts:+.1f}; {gold.cpu_s:.0f} CPU seconds."
    )


@pytest.mark.parametrize("name", recipe_names())
def test_the_page_says_of_each_recipe_what_its_file_says_was_measured(name):
    text = " ".join((Path(__file__).parents[2] / "docs" / "recipes.md").read_text().split())
    section = text.partition(f"`truenorth run {name}`:")[2].partition("###")[0]
    assert told(read_recipe(name)) in section


def row_of(recipe) -> str:
    """A recipe's line in the page's table."""
    gold, claim = recipe.gold, recipe.claim
    claimed = f"{claim.quantity}, {claim.set} | {gold.points:+.1f} ({gold.low:+.1f} to {gold.high:+.1f})"
    beside = f"{gold.overall:+.1f} | {gold.controls:+.1f} | {gold.facts:+.1f} | {gold.cpu_s:.0f}"
    return f"| `{recipe.name}` | {recipe.system} | {claimed} | {beside} |"


def test_the_table_of_the_page_has_every_recipe_that_was_measured_best_worth_first():
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
    recipes = [read_recipe(name) for name in recipe_names()]
    measured = [recipe for recipe in recipes if recipe.gold]
    measured.sort(key=lambda recipe: -recipe.gold.worth)
    table = [line for line in page.splitlines() if line.startswith("| `") and line.count("|") == 9]
    assert table == [row_of(recipe) for recipe in measured]
