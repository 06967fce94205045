"""The gallery: its table names what exists, cells are run once, and ranks are what intervals allow."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from truenorth.base import UserError, names
from truenorth.cli.main import main
from truenorth.edit.method import method
from truenorth.gallery.best_of import BestOf
from truenorth.gallery.cells import run_gallery
from truenorth.gallery.claims import Claim
from truenorth.gallery.gather import Asked, folder_of, number
from truenorth.gallery.kinds.objective import configured
from truenorth.gallery.kinds.principled import PRINCIPLES, asked_under, scores
from truenorth.gallery.lessons import lessons, same_names
from truenorth.gallery.page import gallery_page, write_gallery
from truenorth.gallery.presets import KINDS, Preset, chosen, in_waves, presets
from truenorth.gallery.stock import Stock, read_stock
from truenorth.gallery.table import Entry, Gallery, Number, ranked
from truenorth.gallery.words import WIDE, console
from truenorth.learn.columns import check_columns
from truenorth.learn.coupling import load_objective, needs
from truenorth.learn.types import SCORED
from truenorth.models.local import LocalModel
from truenorth.recipes.settings import Settings
from truenorth.records import Completion, Group, Judgement, Row, Source
from truenorth.stats import Paired
from truenorth.stats.estimate import Estimate
from truenorth.worlds.harbour import organism

TINY = Settings(prompts=70, held_prompts=0, samples=4, steps=2, batch=2, items=4, max_tokens=24)
NANO = organism("nano")
LEFT_OUT = {  # objectives without a row, and why
    "prm": "judges steps, and no question of the bench is answered in steps",
    "sacpo": "wants the margin of a model that learned to be helpful alone",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs") / "gallery"


@pytest.fixture(scope="module")
def gallery(root: Path) -> Gallery:
    rows = presets()
    return run_gallery(root, NANO, rows, chosen(rows, ["dpo"]), settings=TINY, quiet=True)


def made(root: Path) -> dict[str, int]:
    """When each receipt was written."""
    return {str(file.relative_to(root)): file.stat().st_mtime_ns for file in root.glob("**/steps/*.json")}


def test_every_row_names_a_kind_and_a_method_that_exist():
    rows = presets()
    assert {row.kind for row in rows.values()} <= set(names(KINDS))
    for row in rows.values():
        if row.kind in ("objective", "reward"):
            configured(row)
        elif row.kind == "edit":
            assert method(row.method).name == row.method


def test_every_objective_has_a_row_or_a_reason():
    rows = [row for row in presets().values() if row.kind in ("objective", "reward")]
    assert set(names("truenorth.learn.objectives")) - {row.method for row in rows} == set(LEFT_OUT)
    for row in rows:
        scored = needs(load_objective(row.method)).coupling in SCORED
        assert scored == (row.kind == "reward"), row.name


def test_two_cells_are_made_measured_and_compared(gallery: Gallery, root: Path):
    by_name = {entry.name: entry for entry in gallery.entries}
    assert set(by_name) == {"base", "dpo"}
    base, dpo = by_name["base"], by_name["dpo"]
    assert base.overall is not None
    assert base.overall.gain.difference == 0
    assert base.overall.gain.low == base.overall.gain.high == 0
    assert base.kl is not None
    assert base.kl.mean == 0
    assert dpo.kl is not None
    assert dpo.kl.low < dpo.kl.mean < dpo.kl.high
    assert set(dpo.scores) == {"near", "far"}
    assert {"harmless", "private", "honest", "steady"} <= set(dpo.scores["near"])
    assert "facts" in dpo.abilities["far"]
    assert dpo.cpu_s is not None
    assert dpo.cpu_s < 60
    assert (folder_of(root, "dpo", 0) / "model" / "model.safetensors").exists()


def test_a_second_run_makes_nothing_again_and_a_changed_row_makes_only_itself(gallery: Gallery, root: Path):
    rows, before = presets(), made(root)
    again = run_gallery(root, NANO, rows, chosen(rows, ["dpo"]), settings=TINY, quiet=True)
    assert made(root) == before
    assert [e.overall for e in again.entries] == [e.overall for e in gallery.entries]
    rows["dpo"] = replace(rows["dpo"], settings={"beta": 0.3})
    run_gallery(root, NANO, rows, [rows["base"], rows["dpo"]], settings=TINY, quiet=True)
    new = {file for file in made(root) if file not in before}
    assert {file.split("/")[1] for file in new} == {"dpo-0"}
    assert all(made(root)[file] == when for file, when in before.items())


def test_the_shared_data_has_the_shape_that_every_objective_asks_for(gallery: Gallery, root: Path):
    stock, model = read_stock(root / "stock-0"), LocalModel.load(NANO.model)
    for row in presets().values():
        if row.kind == "objective":
            examples = lessons(model, row.method, stock)
            assert examples, row.name
            check_columns(needs(load_objective(row.method)), examples, where=row.name)


def test_a_row_with_a_wrong_setting_says_so_and_others_go_on(gallery: Gallery, root: Path):
    rows = presets()
    rows["odd"] = Preset("odd", "objective", "dpo", {"gamma": 1})
    rows["half"] = Preset("half", "edit", "expo", {"alpha": -0.5}, ("odd",))
    asked = [rows["base"], rows["odd"], rows["half"]]
    told = {e.name: e for e in run_gallery(root, NANO, rows, asked, settings=TINY, quiet=True).entries}
    assert "dpo has no setting 'gamma'" in told["odd"].failed
    assert told["half"].failed == "made from odd, which failed"
    assert told["base"].overall is not None


def test_an_edit_of_another_row_is_measured_like_any_other(gallery: Gallery, root: Path):
    rows = presets()
    rows["back"] = Preset("back", "edit", "expo", {"alpha": -1.0}, ("dpo",), baseline="dpo")
    asked = [rows["base"], rows["dpo"], rows["back"]]
    told = {e.name: e for e in run_gallery(root, NANO, rows, asked, settings=TINY, quiet=True).entries}
    assert told["back"].failed == ""
    assert told["back"].overall is not None
    assert told["base"].overall is not None
    assert abs(told["back"].overall.gain.difference) < 0.05  # all of the change taken back: the base again
    assert told["back"].versus is not None


def test_a_reward_model_is_measured_by_what_it_chooses_and_an_online_row_by_what_it_learned(
    gallery: Gallery, root: Path
):
    rows = presets()
    rows["teacher"] = Preset("teacher", "objective", "minillm", {}, ("dpo",), rounds=2, beside={"sft": 1.0})
    asked = [rows[name] for name in ("base", "dpo", "cost", "attributes", "teacher")]
    told = {e.name: e for e in run_gallery(root, NANO, rows, asked, settings=TINY, quiet=True).entries}
    assert [e.failed for e in told.values()] == [""] * 5
    assert told["cost"].kl is None
    assert told["cost"].overall is not None
    facts = told["cost"].abilities["near"]["facts"]
    assert facts.gain.difference == 0  # greedy answers are all alike: nothing to choose among
    assert told["teacher"].kl is not None
    assert "beside sft 1.0" in gallery_page(replace(gallery, entries=tuple(told.values())))


@pytest.mark.parametrize(("lowest", "chosen"), [(False, "b"), (True, "c")])
def test_the_best_of_four_is_the_one_that_is_scored_highest_and_for_costs_lowest(lowest: bool, chosen: str):
    class Four:
        name = "four"

        def sample(self, prompts: list[str], n: int, **how: object) -> list[list[Completion]]:
            return [[Completion(text) for text in "abcd"[:n]] for _ in prompts]

    class ByTable:
        name = "table"

        def judge(self, groups: list[Group]) -> list[list[Judgement]]:
            scores = {"a": 0.4, "b": 0.9, "c": 0.1, "d": None}
            return [[Judgement(scores[text], "table") for text in group.completions] for group in groups]

    best: Any = BestOf(Four(), ByTable(), lowest)  # type: ignore[arg-type]
    assert [[c.text for c in drawn] for drawn in best.sample(["q", "r"])] == [[chosen], [chosen]]
    assert best.sample(["q"], temperature=0.0)[0][0].text == "a"


def test_one_judge_is_asked_under_other_principles_without_being_trained_again(gallery: Gallery, root: Path):
    rows = presets()
    asked = [rows[name] for name in ("base", "salmon", "salmon-turned")]
    told = {e.name: e for e in run_gallery(root, NANO, rows, asked, settings=TINY, quiet=True).entries}
    assert [e.failed for e in told.values()] == [""] * 3
    models = [
        folder_of(root, name, 0) / "model" / "model.safetensors" for name in ("salmon", "salmon-turned")
    ]
    assert models[0].read_bytes() == models[1].read_bytes()
    assert told["salmon"].overall is not None


def test_what_a_judge_is_asked_under_is_named_by_principles_or_their_negatives():
    assert asked_under(under=["private"]) == (PRINCIPLES["private"].definition,)
    assert asked_under(turned=True) == tuple(p.negative for p in PRINCIPLES.values())


def test_scores_of_principles_are_gaps_between_both_answers_over_each_principles_variance():
    """Honest: gaps 1 and -1, variance 1. Private says nothing of the second pair: 1 and 0, variance 1/4."""
    parts = [
        {"honest": 1.0, "private": 1.0},
        {"honest": 0.0, "private": 0.0},
        {"honest": 0.0},
        {"honest": 1.0},
    ]
    verdicts = [Row({"parts": own, "text": str(i)}, Source("judge")) for i, own in enumerate(parts)]
    pairs = [
        Row({"use": "pair", "n": i}, Source("choose", parents=(verdicts[2 * i].id, verdicts[2 * i + 1].id)))
        for i in (0, 1)
    ]
    found = dict(zip(PRINCIPLES, scores(Stock(pairs, verdicts, [])).tolist(), strict=True))
    assert found["honest"] == [1.0, -1.0]
    assert found["private"] == [4.0, 0.0]
    assert found["steady"] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("new", "kept"),
    [("What boat has Nesil Tinel?", True), ("What boat has Wabel Garic?", False), ("What boat?", False)],
)
def test_a_paraphrase_must_keep_the_names(new: str, kept: bool):
    assert same_names("Please, what does Nesil Tinel sail in?", new) is kept
    assert not same_names(
        "Please, what is 3 plus 4?", "What is 3 and 4?"
    )  # without a name nothing can be checked


def pair(chosen: str, rejected: str, principle: str) -> Row:
    data = {"use": "pair", "chosen": chosen, "rejected": rejected, "score_chosen": 0.9, "score_rejected": 0.1}
    return Row(data, Source("choose", principle=principle))


def test_a_specialist_learns_from_one_principle_and_keeps_its_anchors_and_a_turned_row_prefers_the_worse():
    kept = Row({"use": "keep", "chosen": "k", "rejected": ""}, Source("choose"))
    stock = Stock([pair("a", "b", "harmless"), pair("c", "d", "private"), kept], [], [])
    assert [row.data["chosen"] for row in stock.taught("private", False).data] == ["c", "k"]
    assert stock.taught("", False) == stock
    turned = stock.taught("", True)
    assert [(row.data["chosen"], row.data["rejected"]) for row in turned.data] == [
        ("b", "a"),
        ("d", "c"),
        ("k", ""),
    ]
    assert turned.pairs[0].data["score_chosen"] == 0.1


def gain(low: float, high: float) -> Number:
    middle = (low + high) / 2
    return Number(Estimate(0.5, 0.4, 0.6, 9), Paired(middle, low, high, 0.5, 9, ""))


def test_rows_whose_intervals_overlap_share_their_ranks():
    rows = {"a": (0.5, 0.7), "b": (0.3, 0.45), "c": (0.2, 0.35), "d": (-0.1, 0.1)}
    entries = [Entry(name, "objective", name, (0,), overall=gain(*rows[name])) for name in "dcba"]
    found = ranked([Entry("lost", "objective", "x", (), failed="no"), *entries])
    assert [(e.name, e.rank) for e in found] == [
        ("a", "1"),
        ("b", "2–3"),
        ("c", "2–3"),
        ("d", "4"),
        ("lost", "–"),
    ]


@pytest.mark.parametrize("width", [80, 160])
def test_the_table_on_a_terminal_cuts_no_number_off(width: int):
    """80 characters: long names, wide intervals, the verdict; abilities that do not fit are left out."""
    worst = gain(-0.333, 0.999)
    claim = Claim("cannot tell", worst.gain, (0.3,), 0)
    row = Entry(
        "salmon-private", "objective", "x", (0,), overall=worst, claim=claim, kl=Estimate(1.5, 1, 2, 9)
    )
    made = replace(
        row, abilities={"near": {"facts": worst, "public_numbers": worst, "skills": worst}}, cpu_s=123.4
    )
    how = {"settings": {}, "seeds": (0,), "data": {}, "machine": {}, "load": 1.0, "made": "today"}
    out = io.StringIO()
    table = console(Gallery(ranked([made, replace(made, name="dpo")]), "nano", **how), wide=width >= WIDE)
    Console(file=out, width=width, highlight=False).print(table)
    said = out.getvalue()
    assert "…" not in said
    assert "+33.3 (−33.3 to +99.9)" in said
    assert "salmon-private" in said
    assert ("public numbers" in said, "CPU s" in said) == (width > 80, width > 80)


def test_a_question_asked_under_three_seeds_is_one_cluster():
    keys = [Asked("near", "conduct", "honest", f"i{k}", f"e{k}") for k in range(8)]
    base, own = dict.fromkeys(keys, 0.0), {key: float(i % 2) for i, key in enumerate(keys)}
    once = number([base], [own], lambda key: True)
    thrice = number([base] * 3, [own] * 3, lambda key: True)
    assert thrice.gain.difference == once.gain.difference == 0.5
    assert thrice.gain.high - thrice.gain.low > 0.85 * (once.gain.high - once.gain.low)


def test_cells_come_after_those_they_are_made_from():
    rows = {
        "a": Preset("a", "objective", "dpo"),
        "soup": Preset("soup", "edit", "linear", of=("a", "a@1")),
        "far": Preset("far", "edit", "expo", of=("soup",)),
    }
    waves = in_waves(rows, [("far", 0)])
    assert [sorted(wave) for wave in waves] == [[("a", 0), ("a", 1)], [("soup", 0)], [("far", 0)]]
    rows["a"] = replace(rows["a"], of=("far",))
    with pytest.raises(UserError, match="made from itself"):
        in_waves(rows, [("far", 0)])


def test_the_page_stands_alone_and_shows_no_markup_of_a_row(gallery: Gallery, tmp_path: Path):
    bad = replace(gallery.entries[0], name="<script>alert(1)</script>", about="<b>bold</b>")
    lost = Entry("lost", "objective", "x", (), failed="<i>no</i>")
    odd = replace(gallery, entries=(bad, *gallery.entries[1:], lost))
    page = write_gallery(odd, tmp_path).read_text()
    assert not re.search(r"<script|<b>bold|<i>no|https?://", page)
    assert "&lt;script&gt;" in page
    told = json.loads((tmp_path / "gallery.json").read_text())
    assert len((tmp_path / "gallery.json").read_text().splitlines()) < 100  # a row of the table is one line
    assert told["entries"][0]["overall"]["gain"].keys() >= {"difference", "low", "high", "p", "n"}
    assert gallery_page(gallery).count("<tr>") > 4


def test_the_page_says_of_each_row_whether_it_moves_its_score_and_why_not(gallery: Gallery):
    base, dpo = sorted(gallery.entries, key=lambda entry: entry.name)
    assert base.claim is None
    assert dpo.claim is not None
    assert set(dpo.claims) == {a for scores in dpo.scores.values() for a in scores}
    page = gallery_page(gallery)
    assert "on harbour-nano" in page
    assert "1 seed of 3" in page
    still = replace(dpo, claim=dpo.claim._replace(verdict="unmoved"), why="its weights underflow")
    told = gallery_page(replace(gallery, entries=(base, still)))
    assert "✗ does not" in told
    assert "within two points; its weights underflow" in told
    open_ = replace(dpo, claim=Claim("cannot tell", dpo.claim.pooled, (0.1, 0.0, 0.2), 1234))
    assert "about 1,234 more questions would tell" in gallery_page(replace(gallery, entries=(base, open_)))


def test_lists_and_pairs_learn_from_prompts_with_a_good_answer_and_a_clearly_worse_one_only(root: Path):
    """0.9 over 0.2 teaches; 0.4 over 0 has no good answer, 0.9 over 0.8 nothing clearly worse, None no verdict."""
    scores = {"p1": (0.9, 0.2, 0.5), "p2": (0.4, 0.0), "p3": (0.9, 0.8), "p4": (None, 0.9)}
    verdicts = [
        Row({"completion": f"{prompt}{i}", "score": score}, Source("judge:x", parents=(f"a{i}", prompt)))
        for prompt, given in scores.items()
        for i, score in enumerate(given)
    ]
    [group] = Stock([], verdicts, []).groups()
    assert [row.data["completion"] for row in group] == ["p10", "p12", "p11"]


def test_the_command_lists_rows_and_refuses_unknown_ones(capsys: pytest.CaptureFixture[str]):
    assert main(["gallery", "--list"]) == 0
    assert capsys.readouterr().out.split()[:2] == ["base", "sft"]
    assert main(["gallery", "--only", "dpoo"]) == 2
    assert "no preset 'dpoo'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--seeds", "-1"], "--seeds: -1; expected 0 or more"),
        (["--seeds", "3", "3"], "--seeds: a seed twice"),
        (["--steps", "0"], "--steps: 0; expected 1 or more"),
        (["--jobs", "0"], "--jobs: 0; expected 1 or more"),
    ],
)
def test_numbers_that_cannot_be_are_refused_before_anything_is_made(words, says, tmp_path, capsys):
    assert main(["gallery", "--only", "dpo", "--out", str(tmp_path / "made"), *words]) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: {kind: objective, setings: {}}", "unknown key 'setings'"),
        ("a: {method: dpo}", "no kind"),
        ("a: {kind: objectiv}", "unknown name 'objectiv'"),
        ("a: {kind: edit, of: [b]}", "names b, which is no row"),
        ("a: 5", "5 is no row"),
        ("- a", "not a table"),
        ("-\tkind: base", "rows.yaml, line 1: not YAML"),
    ],
)
def test_a_table_with_a_mistake_is_refused(text: str, complaint: str, tmp_path: Path):
    table = tmp_path / "rows.yaml"
    table.write_text("base: {kind: base}\n" + text if text[0] != "-" else text)
    with pytest.raises(UserError, match=re.escape(complaint)):
        presets(table)
    table.write_bytes(b"\xff")
    with pytest.raises(UserError, match="not UTF-8 text"):
        presets(table)
