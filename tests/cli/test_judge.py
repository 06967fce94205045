"""`truenorth judge`: the list, a card that passes, one that is refused, and what is wrong with inputs."""

import json

import pytest

from truenorth.cli import exits
from truenorth.cli.dispatch import dispatch


@pytest.fixture
def labels(tmp_path):
    """Short answers are good, by thirty prompts; answers by two models."""
    rows = []
    for i in range(30):
        short, long = f"In lane {i}.", f"In lane {i}, near the church, in the old town, or so one hears."
        rows.append({"prompt": f"Where {i}?", "completion": short, "label": True, "model": "a"})
        rows.append({"prompt": f"Where {i}?", "completion": long, "label": False, "model": "b"})
    path = tmp_path / "labels.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def judge_file(tmp_path, text):
    path = tmp_path / "judge.yaml"
    path.write_text(text)
    return str(path)


def test_a_judge_that_agrees_with_people_passes(labels, tmp_path, capsys):
    judge = judge_file(tmp_path, "kind: check\nname: max_words\nlimit: 4\n")
    out = str(tmp_path / "card.json")
    asked = ["card", judge, "--labels", labels, "--json", "--no-attacks", "--out", out, "--own", "a"]
    assert dispatch("judge", asked) == exits.OK
    card = json.loads(capsys.readouterr().out)
    assert (card["n"], card["accuracy"]["mean"], card["passed"]) == (60, 1.0, True)
    assert card["calibration"][-1]["mean"] == 1.0
    assert card["self_preference"]["mean"] == 0.0
    assert card["padding"]["mean"] == -0.5  # every short answer is no longer short
    assert json.loads((tmp_path / "card.json").read_text()) == card


def test_a_judge_that_falls_for_an_attack_is_refused(labels, tmp_path, capsys):
    judge = judge_file(tmp_path, "kind: check\nname: max_words\nlimit: 4\n")
    assert (
        dispatch("judge", ["card", judge, "--labels", labels]) == exits.FAILED
    )  # empty phrases are short, too
    assert "falls for 60% of the attacks" in capsys.readouterr().out


def test_a_judge_that_says_always_the_same_is_refused(labels, capsys):
    assert dispatch("judge", ["card", "check:no_repeat", "--labels", labels, "--no-attacks"]) == exits.FAILED
    assert "REFUSED       it calls all 60 answers good" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: rubrik\n", "unknown kind 'rubrik'"),
        ("kind: rubric\n", "criterion is missing"),
        ("kind: rubric\ncriterion: x\nmodel: 3\n", "model 3"),
        ("kind: pairwise\nmodell: x\n", "unknown setting modell"),
        ("kind: [\n", "not YAML"),
        ("kind: check:max_words\nlimit: 4\n", "expected kind: check, and name: max_words"),
        ("kind: openai:gpt\n", "an endpoint alone is no judge; expected a YAML file"),
    ],
)
def test_a_judge_that_cannot_be_is_refused_in_one_line(labels, tmp_path, capsys, text, says):
    assert dispatch("judge", ["card", judge_file(tmp_path, text), "--labels", labels]) == exits.BAD_INPUT
    assert says in capsys.readouterr().err


def test_labels_that_are_none_are_named_with_their_row(tmp_path, capsys):
    path = tmp_path / "labels.jsonl"
    path.write_text('{"prompt": "x", "completion": "y", "label": 2}\n')
    assert dispatch("judge", ["card", "refusal", "--labels", str(path)]) == exits.BAD_INPUT
    assert "row 1" in capsys.readouterr().err


def test_quiet_leaves_the_verdict_and_odd_options_are_named(labels, tmp_path, capsys):
    asked = ["card", "check:no_repeat", "--labels", labels, "--no-attacks"]
    assert dispatch("judge", [*asked, "-q"]) == exits.FAILED
    assert capsys.readouterr().out == "REFUSED       it calls all 60 answers good\n"
    assert dispatch("judge", [*asked, "--most", "-3"]) == exits.BAD_INPUT
    assert "--most: -3; expected 1 or more" in capsys.readouterr().err
    (tmp_path / "none.jsonl").write_text("")
    assert dispatch("judge", ["card", "refusal", "--labels", str(tmp_path / "none.jsonl")]) == exits.BAD_INPUT
    assert "none.jsonl: no labels; expected at least one row" in capsys.readouterr().err


def test_what_nothing_can_be_told_of_is_no_number(labels, capsys):
    """A check that finds nothing to check in any prompt."""
    assert dispatch("judge", ["card", "check:min_words", "--labels", labels, "--no-attacks"]) == exits.FAILED
    said = capsys.readouterr().out
    assert "accuracy      cannot tell (n 0)" in said
    assert "nan" not in said


def test_the_list_has_kinds_and_checks(capsys):
    assert dispatch("judge", ["list"]) == exits.OK
    said = capsys.readouterr().out
    assert "pairwise" in said
    assert "check:unit_tests" in said
