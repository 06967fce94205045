"""`truenorth constitution`: what it prints and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from truenorth.cli.main import main

FILES = Path(__file__).parent / "files"


@pytest.fixture
def doubtful(tmp_path) -> str:
    path = tmp_path / "doubtful.yaml"
    path.write_text(
        """\
name: doubtful
version: "1"
principles:
  - id: brief
    statement: Answer in at most two words.
    measured_by: check:max_words
    checks:
      - max_words: {limit: 2}
    examples:
      - {prompt: hi, good: good day to you}
"""
    )
    return str(path)


def test_shipped_constitutions_pass(capsys):
    assert main(["constitution", "lint", "harbour", "hhh"]) == 0
    out = capsys.readouterr().out
    assert out.count("nothing doubtful") == 2


def test_findings_have_a_line_and_a_status_and_any_check_is_run(capsys, doubtful):
    assert main(["constitution", "lint", doubtful]) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first == (
        f"{doubtful}, line 10: error: brief: example 0: the good answer fails its own check max_words "
        "[contradiction]"
    )
    assert last.endswith("1 principle, 1 error")


def test_warnings_fail_only_when_strict(tmp_path):
    path = tmp_path / "warned.yaml"
    text = "name: warned\nversion: '1'\nprinciples: [{id: a, statement: Be brief., checks: [arithmetic]}]\n"
    path.write_text(text)
    assert main(["constitution", "lint", str(path)]) == 0
    assert main(["constitution", "lint", "--strict", str(path)]) == 1


def test_mistakes_are_refused_before_linting(capsys, doubtful):
    path = Path(doubtful)
    path.write_text(path.read_text().replace("max_words:", "max_wrods:", 1).replace("check:max_words", "x"))
    assert main(["constitution", "lint", doubtful]) == 2
    assert "line 6, principles[0].measured_by: 'x' names no measure" in capsys.readouterr().err
    path.write_text(path.read_text().replace("measured_by: x", "measured_by: judge:x"))
    assert main(["constitution", "lint", doubtful]) == 2
    assert "did you mean max_words" in capsys.readouterr().err


def test_code_is_run_only_with_permission_and_never_in_this_process(capsys, doubtful, tmp_path, monkeypatch):
    code = "raise SystemExit('loaded')\ndef check(prompt, text, /):\n    return 1.0\n"
    (tmp_path / "boobytrap.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    path = Path(doubtful)
    path.write_text(path.read_text().replace("- max_words: {limit: 2}", "- boobytrap:check"))
    for action in ("lint", "show"):
        assert main(["constitution", action, doubtful]) == 2
        assert "only with --allow-code" in capsys.readouterr().err
    assert main(["constitution", "show", doubtful, "--allow-code"]) == 0
    assert main(["constitution", "lint", doubtful, "--allow-code"]) == 2  # in a process of its own
    assert "its file fails: loaded" in capsys.readouterr().err


def test_show_prints_all_or_one(capsys):
    assert main(["constitution", "show", "hhh"]) == 0
    assert "3. Take care of people in distress" in capsys.readouterr().out
    assert main(["constitution", "show", "hhh", "care"]) == 0
    assert capsys.readouterr().out.startswith("Take care of people in distress  [care: rule, high]")
    assert main(["constitution", "show", "hhh", "cares"]) == 2
    assert "no principle 'cares'" in capsys.readouterr().err


def test_diff_names_what_is_stale(capsys, tmp_path):
    new = tmp_path / "new.yaml"
    new.write_text((FILES / "policy.yaml").read_text().replace("severity: critical", "severity: low"))
    assert main(["constitution", "diff", str(FILES / "policy.yaml"), str(new)]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "private: changed; stale: labels, weights",
        "  severity: critical -> low",
    ]


def test_a_measure_that_names_no_check_is_an_error_with_its_line(capsys, doubtful):
    path = Path(doubtful)
    path.write_text(
        path.read_text().replace("check:max_words", "check:max_word").replace("limit: 2", "limit: 9")
    )
    assert main(["constitution", "lint", doubtful]) == 1
    said = capsys.readouterr().out
    assert (
        f"{doubtful}, line 6: error: brief: measured_by: there is no check 'max_word'; did you mean" in said
    )


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("{limit: three}", "limit is 'three'; expected int | None"),
        ("{limit: yes}", "limit is True; expected int | None"),
        ("{limit: 3, when_prompt: [5]}", "when_prompt is [5]; expected a pattern or a list of them"),
        ("{limt: 3}", "unknown setting limt"),
    ],
)
def test_a_check_that_is_set_up_wrongly_is_refused_with_its_line(capsys, doubtful, setting, says):
    path = Path(doubtful)
    path.write_text(path.read_text().replace("{limit: 2}", setting))
    assert main(["constitution", "lint", doubtful]) == 2
    assert f"{doubtful}, line 8, principle brief, check max_words: {says}" in capsys.readouterr().err
