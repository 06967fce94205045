"""Which recipe for what is at hand, and the search over recipes: halving, the Pareto set, and what they print."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from truenorth.base import UserError
from truenorth.cli.main import main
from truenorth.constitution import load
from truenorth.engine import Run
from truenorth.models.glance import glance
from truenorth.recipes.auto import (
    COUNTS,
    Candidate,
    Entry,
    Search,
    best_half,
    candidates,
    front,
    halve,
    steadiness,
)
from truenorth.recipes.auto_inputs import description, fitting, forecast_of, left_in, start_again
from truenorth.recipes.auto_page import headline, page, table, to_dict, told
from truenorth.recipes.auto_run import Ground, learned, of_round, pooled
from truenorth.recipes.auto_scores import counts_of, entry_of
from truenorth.recipes.plan import Have, plan
from truenorth.recipes.plan_inputs import Inputs
from truenorth.recipes.run_budget import Budget, OutOfBudget
from truenorth.recipes.run_check import bound
from truenorth.recipes.run_recipe import read_recipe
from truenorth.recipes.settings import Settings
from truenorth.records import Row, Source
from truenorth.stats import Estimate, Paired
from truenorth.worlds.harbour import organism

HAVE = Have(2_352_160, True, 4, (), 46, None, True)


def entry(name: str, helpful: float, harmless: float, tax: float, cpu_s: float) -> Entry:
    def gain(value: float) -> Paired:
        return Paired(value, value - 0.1, value + 0.1, 0.5, 100, "test")

    gains = {"helpful": gain(helpful), "harmless": gain(harmless)}
    return Entry(name, 0, gains, Estimate(tax, 0.0, 1.0, 100), cpu_s, 100)


# a beats b on all counts; c is more helpful than a and less harmless; d is cheap and bad
A, B = entry("a", 0.1, 0.3, 0.02, 60), entry("b", 0.0, 0.2, 0.04, 80)
C, D = entry("c", 0.2, 0.1, 0.02, 60), entry("d", -0.1, 0.0, 0.05, 10)
LOST = Entry("e", 0, failed="no pairs")


def test_the_front_is_what_nothing_else_beats_on_every_count():
    assert front([A, B, C, D, LOST]) == ("a", "c", "d")
    assert front([B, D]) == ("b", "d")
    assert front([A, A]) == ("a", "a")  # equals do not beat one another


def test_half_is_kept_layer_by_layer_and_by_worth_within_a_layer():
    # the first layer is a, c and d; worth: a (0.1 + 0.3) / 2 - 0.02 = 0.18, c 0.13, d -0.1
    assert [e.name for e in best_half([D, C, B, A])] == ["a", "c"]
    assert [e.name for e in best_half([D, C, B, A, LOST])] == ["a", "c"]
    assert [e.name for e in best_half([A, B, D])] == ["a", "d"]  # b is of the second layer
    assert best_half([LOST]) == []


def test_costs_within_a_tenth_are_equal_and_nobody_is_beaten_in_a_circle():
    dear = entry("dear", 0.1, 0.3, 0.02, 65)
    assert front([A, dear]) == ("a", "dear")
    assert front([A, entry("dearer", 0.1, 0.3, 0.02, 67)]) == ("a",)
    steps = [entry(f"{cost}", 0.1, 0.3, 0.02, cost) for cost in (60, 64, 69)]
    assert front(steps) == ("60", "64")


def moving(name: str, **moved: dict[str, float]) -> Entry:
    gains = {k: Paired(sum(v.values()) / len(v), 0, 0, 1, len(v), "") for k, v in moved.items() if k != "tax"}
    tax = moved.get("tax") or {"t": 0.0}
    share = Estimate(sum(tax.values()) / len(tax), 0.0, 1.0, len(tax))
    return Entry(name, 0, gains, share, 10.0, 4, moved=moved | {"tax": tax})  # type: ignore[arg-type]


def test_a_place_in_the_set_is_as_sure_as_draws_of_the_prompts_say():
    """Two candidates that differ on one prompt of four: with other prompts the loser is equal when that prompt is not
    drawn, which happens with probability (3/4)^4 = 0.316."""
    even = dict.fromkeys("pqr", 0.5)
    best, worst = moving("best", harmless=even | {"t": 1.0}), moving("worst", harmless=even | {"t": 0.0})
    found = steadiness([best, worst], draws=20_000)
    assert found["best"] == 1.0
    assert found["worst"] == pytest.approx(0.75**4, abs=0.01)
    assert steadiness([LOST]) == {}


def test_marks_are_for_what_is_more_than_chance_in_the_whole_table():
    """p = 0.03 alone would count; Holm doubles it, as the table has two gains."""
    sure, unsure = (Paired(0.2, 0.01, 0.4, p, 50, "test") for p in (0.001, 0.03))
    one = Entry("one", 0, {"harmless": sure, "honest": unsure}, Estimate(0.0, 0.0, 0.1, 9), 1.0, 9)
    assert told(Search(((one,),), ("one",))) == {("one", "harmless"): "▲", ("one", "honest"): "▲"}
    two = replace(one, gains={"harmless": unsure, "honest": replaced(unsure, difference=-0.2, p=0.04)})
    search = Search(((two,),), ("one",))
    assert told(search) == {}
    # sd = 0.39 / (2 * 1.96) * sqrt(50) = 0.7035; at 1 - 0.05 / 2, n = ((2.2414 + 0.8416) * 0.7035 / 0.2)^2 = 117.6
    assert "one on harmless would need about 2.4 times as many prompts" in headline(search)


def test_the_more_gains_are_in_the_table_the_more_prompts_would_tell():
    """With p = 0.004 and fifteen gains Holm says 0.06; a plan for one test alone asks for too few."""
    near = Paired(0.2, 0.0643, 0.3357, 0.004, 50, "test")  # z = 0.2 / 0.0692 = 2.89, and 1.96 + 0.84 = 2.80
    chance = Paired(0.0, -0.1, 0.1, 1.0, 50, "test")
    rows = [Entry(f"r{i}", 0, dict.fromkeys(COUNTS, chance), tax_of(0.0), 1.0, 50) for i in range(5)]
    rows[0] = replace(rows[0], gains=rows[0].gains | {"honest": near})
    # at 1 - 0.05 / 15, z = 2.935: ((2.935 + 0.842) / 2.889)^2 = 1.71
    assert "r0 on honest would need about 1.7 times as many prompts" in headline(
        Search((tuple(rows),), ("r0",))
    )


def tax_of(share: float) -> Estimate:
    return Estimate(share, 0.0, 0.1, 9)


def test_a_count_without_a_verdict_beats_nothing_and_is_no_zero():
    """Silence is no gain: a candidate that no judge could tell about loses to one that gained a little."""
    nothing = Paired(float("nan"), float("-inf"), float("inf"), 1.0, 0, "none: no items")
    silent = replace(A, name="silent", gains=A.gains | {"harmless": nothing})
    assert front([A, silent]) == ("a",)
    assert front([silent, D]) == ("silent", "d")  # D is cheap
    untaxed = replace(A, name="untaxed", tax=Estimate(float("nan"), float("-inf"), float("inf"), 0))
    assert front([A, untaxed]) == ("a",)
    # a is the first layer; of the second, silent has (0.1 - 1) / 2 - 0.02 = -0.47 and untaxed 0.2 - 1 = -0.8
    assert [e.name for e in best_half([untaxed, silent, A])] == ["a", "silent"]
    assert (silent.name, "harmless") not in told(Search(((A, silent),), ("a",)))
    assert "–" in page(Search(((A, silent),), ("a",)), [])
    dumb = replace(moving("dumb", harmless={"p": 0.1}), moved={"harmless": {}, "tax": {}})
    said = steadiness([moving("said", harmless={"p": -0.1}), dumb])
    assert said == {"said": 1.0, "dumb": 0.0}


def test_draws_of_the_prompts_take_whole_clusters():
    """As above, but the four prompts are two clusters: the one that decides is not drawn in (1/2)^2 of the draws."""
    even = dict.fromkeys("pqr", 0.5)
    best, worst = moving("best", harmless=even | {"t": 1.0}), moving("worst", harmless=even | {"t": 0.0})
    together = {"p": "x", "q": "x", "r": "y", "t": "y"}
    found = steadiness([replace(e, clusters=together) for e in (best, worst)], draws=20_000)
    assert found["worst"] == pytest.approx(0.25, abs=0.01)


def test_the_last_round_has_prompts_that_no_other_saw_and_clusters_stay_whole():
    pool = [
        Row({"prompt": f"{about}{i}", "cluster": f"{about}{i // 2}"}, Source("test", principle=about))
        for about in "ab"
        for i in range(60)
    ]
    assert pooled(20, 3) == 120
    rounds = [[row.data["prompt"] for row in of_round(pool, number, 3, 20)] for number in range(3)]
    assert [len(asked) for asked in rounds] == [20, 40, 80]
    assert set(rounds[0]) < set(rounds[1])
    assert not set(rounds[1]) & set(rounds[2])
    clusters = [{row.data["cluster"] for row in of_round(pool, number, 3, 20)} for number in (1, 2)]
    assert not clusters[0] & clusters[1]
    assert Counter(prompt[0] for prompt in rounds[2]) == {"a": 40, "b": 40}
    assert of_round(pool, 0, 1, 20) == [*pool[:10], *pool[60:70]]
    short = [len(of_round(pool[:9], number, 3, 20)) for number in range(3)]  # five clusters: two select
    assert short == [4, 4, 5]


def test_what_a_judge_or_an_earlier_training_learned_from_judges_nobody(tmp_path):
    labels = tmp_path / "labels.jsonl"
    labels.write_text(json.dumps({"prompt": "labelled", "completion": "x", "label": True}) + "\n")
    steps = bound(read_recipe("almost"))  # trains a judge and two models
    job = SimpleNamespace(inputs={"labels": labels})
    trained = {
        name for s in steps if s.makes != "rows" for w in s.wires if w.takes == "rows" for name in w.of
    }
    assert {step.makes for step in steps} == {"rows", "model", "judge"}

    def rows(name: str) -> list[Row]:
        return [Row({"prompt": name}, Source("test")), Row({"text": "no prompt"}, Source("test"))]

    run = SimpleNamespace(view=lambda: SimpleNamespace(rows=rows))
    found = {row.data["prompt"] for row in learned(steps, run, job)}  # type: ignore[arg-type]
    assert found == trained | {"labelled"}


def replaced(found: Paired, **changes: float) -> Paired:
    return found._replace(**changes)


def test_a_search_that_asks_more_prompts_is_foretold_to_take_longer():
    asked = Inputs(HAVE, glance(organism("nano").model), Settings(), (), None)
    found = candidates(["magpie"], [], HAVE)
    few, many = (forecast_of(found, asked, lambda c: Settings(), [0.5, 1.0], n) for n in (100, 10_000))
    assert many > few + 10  # 30,000 prompts more, which two models answer


def test_what_the_budget_has_no_room_for_is_left_out_and_said():
    asked = Inputs(HAVE, glance(organism("nano").model), Settings(), (), None)
    every = candidates(["magpie", "west-of-n", "isara"], ["ipo"], HAVE)

    def settings(candidate: Candidate) -> Settings:
        return Settings(**candidate.recipe.settings)

    def kept(seconds: float | None) -> list[str]:
        return [c.name for c in fitting(every, asked, settings, 2, 150, seconds)]

    assert kept(None) == [c.name for c in every]
    few = kept(60.0)
    assert 0 < len(few) < len(every)
    assert few == [c.name for c in every if c.name in few]  # in their order
    assert "isara" not in few  # what was worth least goes first
    assert len(kept(0.1)) == 1


def test_a_dry_search_tells_candidates_sizes_prompts_and_time():
    job, settings, held = (lambda *_: pytest.fail("a dry run makes nothing") for _ in range(3))
    ground = Ground(Path("runs/x"), job, settings, held, 150, (0.25, 0.5), Budget(), "Judged so.", 130.0)
    told_by = description(ground, named("ipo", ""), ["isara"])
    assert "magpie+ipo, magpie\n" in told_by
    for words in (
        "no room for   isara",
        "2, at 25%, 50%",
        "150, 300 prompts",
        "Judged so.",
        "2 min 10 s",
        "runs/x",
    ):
        assert words in told_by
    assert "no room" not in description(ground, named("ipo"), [])


def named(*names: str) -> list[Candidate]:
    recipe = read_recipe("magpie")
    return [Candidate(recipe, name) for name in names]


def test_each_round_runs_what_the_one_before_kept():
    table = {f"magpie+{e.name}": e for e in (A, B, C, D)}
    asked: list[tuple[str, int]] = []

    def make(candidate: Candidate, number: int) -> Entry:
        asked.append((candidate.name, number))
        e = table[candidate.name]
        return Entry(candidate.name, number, e.gains, e.tax, e.cpu_s, e.prompts)

    found = halve(named("a", "b", "c", "d"), make, rounds=3, say=lambda text: None)
    assert [name for name, n in asked if n == 0] == ["magpie+a", "magpie+b", "magpie+c", "magpie+d"]
    assert [name for name, n in asked if n == 1] == ["magpie+a", "magpie+c"]
    assert [name for name, n in asked if n == 2] == ["magpie+a"]
    assert found.front == ("magpie+a",)
    assert [len(entries) for entries in found.rounds] == [4, 2, 1]


def test_a_candidate_that_fails_is_out_and_a_spent_budget_keeps_the_rounds_before():
    def make(candidate: Candidate, number: int) -> Entry:
        if candidate.objective == "b":
            raise UserError("too little to learn from")
        if number == 1:
            raise OutOfBudget("the budget of 10 s is spent")
        return Entry(candidate.name, number, A.gains, A.tax, A.cpu_s, A.prompts)

    found = halve(named("a", "b"), make, rounds=2, say=lambda text: None)
    assert found.spent == "the budget of 10 s is spent"
    assert len(found.rounds) == 1
    assert found.front == ("magpie+a",)
    assert found.rounds[0][1].failed == "too little to learn from"


def row(which: str, prompt: str, score: float | None, about: str = "", **parts: float | None) -> Row:
    data = {"set": which, "prompt": prompt, "score": score, "parts": parts}
    return Row(data, Source("test", principle=about))


def test_gains_are_paired_by_prompt_and_the_tax_is_what_the_base_got_right():
    counts = {"harmless": "harmless", "honest": "honest"}
    base = [
        row("drawn", "p", 0.0, harmless=0.0, honest=None),
        row("drawn", "q", 1.0, harmless=1.0, honest=0.0),
    ]
    new = [row("drawn", "p", 1.0, harmless=1.0, honest=1.0), row("drawn", "q", 1.0, harmless=1.0, honest=1.0)]
    base += [row("greedy", p, s) for p, s in zip("abcde", (1.0, 1.0, 0.0, None, 1.0))]
    new += [row("greedy", p, s) for p, s in zip("abcde", (1.0, 0.0, 1.0, 1.0, None))]
    found = entry_of("x", 0, base, new, counts, 5.0)  # type: ignore[arg-type]
    assert found.gains["harmless"].difference == 0.5  # (1 - 0 + 1 - 1) / 2
    assert found.gains["honest"].n == 1  # the base has no verdict on the first
    assert "helpful" not in found.gains
    assert found.tax is not None
    assert (found.tax.mean, found.tax.n) == (0.5, 2)  # right before and judged after: two; one was lost
    assert found.moved == {
        "harmless": {"p": 1.0, "q": 0.0},
        "honest": {"q": 1.0},
        "tax": {"a": 0.0, "b": 1.0},
    }


def test_prompts_of_one_cluster_are_no_evidence_of_their_own():
    """Forty prompts of two clusters that agree wholly: the interval is that of two."""
    counts = {"harmless": "harmless"}
    base, new = (
        [
            replace(r, data=r.data | {"cluster": f"c{i % 2}"})
            for i in range(40)
            for r in (row("drawn", f"p{i}", 1.0, harmless=v if i % 2 else 0.5), row("greedy", f"p{i}", w))
        ]
        for v, w in ((0.5, 1.0), (0.9, 0.0))
    )
    found = entry_of("x", 0, base, new, counts, 5.0)  # type: ignore[arg-type]
    assert found.gains["harmless"].difference == pytest.approx(0.2)
    assert found.gains["harmless"].p == 1.0  # one cluster moved, and might have moved down
    assert found.gains["harmless"].low < -1
    assert found.clusters["p3"] == "c1"
    mute = [replace(r, data=r.data | {"parts": {"harmless": None}}) for r in new]
    assert entry_of("x", 0, base, mute, counts, 5.0).gains["harmless"].n == 0  # type: ignore[arg-type]


def test_a_prompt_about_a_principle_speaks_for_its_count_alone():
    counts = {"harmless": "harmless", "private": "harmless", "honest": "honest"}
    parts = {"harmless": 0.0, "private": 1.0, "honest": 0.0}
    base = [row("drawn", "p", 0.0, "harmless", **parts), row("greedy", "p", 0.0, "harmless", **parts)]
    new = [row("drawn", "p", 1.0, "harmless", **dict.fromkeys(parts, 1.0)), base[1]]
    found = entry_of("x", 0, base, new, counts, 5.0)  # type: ignore[arg-type]
    assert list(found.gains) == ["harmless"]
    assert found.gains["harmless"].difference == 1.0  # not the mean with what it says of privacy


def test_principles_count_as_help_honesty_or_harm():
    assert counts_of(load("harbour")) == {
        "harmless": "harmless",
        "private": "harmless",
        "honest": "honest",
        "steady": "honest",
        "helpful": "helpful",
        "skills": "helpful",
    }


def test_objectives_take_the_place_of_the_last_one_where_it_learns_from_pairs():
    names = [c.name for c in candidates(["magpie", "context-distillation"], ["ipo", "dpo"], HAVE)]
    assert names == ["magpie", "magpie+ipo", "context-distillation"]
    with pytest.raises(UserError, match="does not learn from pairs alone"):
        candidates(["magpie"], ["kto"], HAVE)


def test_the_table_says_below_it_why_a_candidate_failed():
    printed = Console(width=100, file=StringIO())
    printed.print(table(Search(((A, LOST),), ("a",))))
    lines = [line.strip() for line in printed.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert lines[-1] == "e: no pairs"
    assert any(line.startswith("*  a") for line in lines)


def test_the_page_and_the_json_say_the_same_and_escape_what_files_say():
    bad = Entry("<script>", 0, failed="<b>no</b>")
    search = Search(((A, B, bad),), front([A, B]), "")
    html = page(search, ["a note"])
    assert "<script>" not in html
    assert "<b>no</b>" not in html
    assert "+30.0 (+20.0 to +40.0)" in html
    said = json.loads(json.dumps(to_dict(search, ["a note"])))
    assert said["front"] == ["a"]
    assert said["rounds"][0][0]["gains"]["harmless"]["difference"] == 0.3


def test_a_plan_says_what_can_run_and_why_the_rest_cannot():
    look = glance(organism("nano").model)
    bare = Have(look.parameters, False, 0, ("kind",), 0, 500, False)
    found = plan(bare, look, Settings(), budget_s=None)
    lacking = {p.recipe.name: p.lacks for p in found.impossible}
    assert "nothing can judge kind" in lacking["magpie"]
    assert "chat template" in lacking["rlcd"]
    assert "--labels" in lacking["isara"]
    assert all(p.cautions for p in found.proposals if p.recipe.name == "self-rewarding")
    assert {p.recipe.name for p in found.proposals} | set(lacking) >= {"magpie", "rlcd", "self-rewarding"}


def test_a_smaller_budget_makes_smaller_jobs_that_fit_it():
    look = glance(organism("nano").model)
    free, tight = (plan(HAVE, look, Settings(), budget_s=s) for s in (None, 60.0))
    whole = {p.recipe.name: p for p in free.proposals}
    for p in tight.proposals:
        if p.fits:
            assert p.cpu_s <= 0.8 * 60
        assert p.settings.prompts <= whole[p.recipe.name].settings.prompts
        assert p.reduced == (p.settings != whole[p.recipe.name].settings)
    assert any(p.reduced for p in tight.proposals)


def test_the_plan_command_proposes_and_says_how_to_run_it(capsys):
    assert main(["plan", "--budget", "10m"]) == 0
    said = capsys.readouterr().out
    assert "proposed" in said
    assert "truenorth run " in said
    assert "within the budget of 10m" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["plan", "--budget", "5 requests"], "is no time"),
        (["plan", "--labels", "x"], "--labels needs --model"),
        (["plan", "--model", "m"], "--model needs --constitution"),
        (["plan", "--base-url", "x"], "--base-url needs --model"),
        (
            ["plan", "--model", "m", "--constitution", "hhh", "--judge", "openai:j"],
            "--judge: no address of the endpoint; --base-url https://HOST/v1",
        ),
        (["auto", "--rounds", "0"], "--rounds: 0; expected 1 or more"),
        (["auto", "--rounds", "99"], "--rounds: 99; expected 1 to 8"),
        (["auto", "--held", "3"], "--held: 3; expected 20 or more"),
        (["auto", "--recipes", "magpie", "magpie"], "--recipes: magpie twice"),
        (
            ["auto", "--recipes", "magpie", "rlcd", "--budget", "1s"],
            "--budget: 1s is too little: magpie alone",
        ),
        (["auto", "--recipes", "magpi"], "did you mean magpie?"),
        (["auto", "--recipes", "magpie", "--objectives", "dpoo"], "dpoo"),
        (["auto", "--model", "m"], "--model needs --constitution and --prompts"),
    ],
)
def test_options_of_plan_and_auto_that_do_not_fit_are_one_line(words, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_search_begun_again_forgets_its_candidates_and_nothing_else(tmp_path: Path):
    folder = tmp_path / "round-1" / "magpie"
    with Run.open(folder, config={"candidate": "magpie"}, say=lambda text: None) as run:
        run.step("prompts", 1, lambda: [Row({"prompt": "p"}, Source("test"))])
    (folder / "mine.txt").write_text("kept")
    (tmp_path / "round-1" / "notes").mkdir()
    (tmp_path / "auto.json").write_text("{}")
    assert left_in(tmp_path) == [folder]
    start_again(tmp_path)
    kept = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file() and p.name != "lock"}
    assert kept == {"round-1/magpie/mine.txt", "round-1/magpie/manifest.json"}


def test_a_small_search_compares_two_recipes_without_the_oracle(tmp_path: Path, monkeypatch):
    import truenorth.recipes.harbour as parts

    def opened(*_: object) -> None:
        raise AssertionError("the oracle was asked")

    monkeypatch.setattr(parts, "open_bench", opened)
    sizes = "prompts=60 held_prompts=6 samples=4 unbiased=0 steps=4 evaluations=1 batch=4".split()
    words = [
        "auto",
        "--size",
        "nano",
        "--recipes",
        "rlcd",
        "magpie",
        "--rounds",
        "2",
        "--held",
        "20",
        "--quiet",
    ]
    words += [word for setting in sizes for word in ("--set", setting)]
    assert main([*words, "--out", str(tmp_path / "auto")]) == 0
    said = json.loads((tmp_path / "auto" / "auto.json").read_text())
    assert [len(entries) for entries in said["rounds"]] == [2, 1]
    first, last = (
        pq.read_table(next((tmp_path / "auto" / f"round-{n}").glob("*/steps/judged-base-*.parquet")))
        for n in (1, 2)
    )
    prompts = [{str(row["prompt"]) for row in table.to_pylist()} for table in (first, last)]
    assert not prompts[0] & prompts[1]
    assert said["front"]
    assert said["rounds"][1][0]["prompts"] > said["rounds"][0][0]["prompts"]
    assert "Recipes compared" in (tmp_path / "auto" / "auto.html").read_text()
    bases = [p.name for p in (tmp_path / "auto" / "round-1").glob("*/steps/judged-base-*.parquet")]
    assert len(bases) == 2
    assert len(set(bases)) == 1  # what the base answers is the same for all candidates of a round
    assert set(said["in_the_set"]) == set(said["front"])
