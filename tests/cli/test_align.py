"""`truenorth align`: which job the options ask for, and what is refused before anything is loaded."""

from pathlib import Path

import pytest

from truenorth.cli.main import main


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--model", "m"], "--model needs --constitution"),
        (["--model", "m", "--constitution", "hhh"], "--model needs --prompts"),
        (["--prompts", "p.jsonl"], "--prompts needs --model"),
        (["--human-text", "t.txt"], "--human-text needs --model"),
        (["--base-url", "http://localhost/v1"], "--base-url needs --model"),
        (["--max-requests", "0"], "--max-requests needs --model"),
        (["--world", "nowhere"], "not a world"),
        (["--max-requests", "many"], "invalid int value"),
        (["--modle", "m"], "unrecognized arguments"),
        (["--lora", "-3"], "--lora: -3; expected 0 or more"),
        (["--seed", "-1"], "--seed: -1; expected 0 or more"),
        (["--size", "nano", "--set", "objective=kto"], "objective 'kto' does not learn from pairs alone"),
    ],
)
def test_options_that_do_not_fit_together_are_one_line(words, says, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["align", *words]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_an_unknown_constitution_is_refused_with_the_nearest(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["align", "--model", "m", "--constitution", "hh", "--prompts", "p.jsonl"]) == 2
    assert "did you mean hhh?" in capsys.readouterr().err


def test_help_names_every_option_and_the_exit_statuses(capsys):
    with pytest.raises(SystemExit) as end:
        main(["align", "--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    for option in (
        "--model",
        "--judge",
        "--measure",
        "--labels",
        "--lora",
        "--set",
        "--dry-run",
        "--max-requests",
    ):
        assert option in said
    assert "more losses" in said
