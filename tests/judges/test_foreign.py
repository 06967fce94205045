"""Code that a constitution names: only when allowed, and only in a process that can compute and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from truenorth.base import UserError
from truenorth.constitution import Constitution
from truenorth.judges.compile import compile
from truenorth.records import Group

HOUSE = """
import os, statistics
LOADED = open({mark!r}, "w").write("ran") if {open} else None

def short(prompt, text, /, *, most: int, folder: str = ""):
    return None if "?" not in prompt else float(len(text.split()) <= most)

def peeks(prompt, text, /):
    open("/etc/passwd").read()
    return 1.0

def calls_home(prompt, text, /):
    import socket
    socket.create_connection(("127.0.0.1", 9), timeout=1)
    return 1.0

def loops(prompt, text, /):
    while text != "word":
        pass
    return 1.0

def raw(prompt, text, /):
    return 7

def fails(prompt, text, /):
    return {{"word": 1.0}}[text]
"""


def house(folder: Path, *, open: bool = False) -> Path:
    (folder / "house_rules.py").write_text(HOUSE.format(mark=str(folder / "mark"), open=open))
    return folder


def judge(folder: Path, *checks, allow_code: bool = True):
    written = {"id": "a", "statement": "...", "kind": "value", "checks": list(checks)}
    constitution = Constitution.model_validate({"name": "t", "version": "1", "principles": [written]})
    return compile(constitution, folder=folder, allow_code=allow_code)


def test_code_in_a_constitution_runs_only_when_allowed_and_gives_its_scores(tmp_path):
    check = {"house_rules:short": {"most": 2}}
    with pytest.raises(UserError, match="--allow-code"):
        judge(house(tmp_path), check, allow_code=False)
    made = judge(tmp_path, check).judge([Group("Why?", ["so it is", "so"]), Group("Tell me.", ["so"])])
    assert [[j.score for j in group] for group in made] == [[0.0, 1.0], [None]]
    assert made[0][0].parts[0].parts[0].judge == "check:house_rules:short"


def test_nothing_of_the_file_runs_in_this_process(tmp_path):
    house(tmp_path, open=True)  # a file that writes as soon as it is loaded
    with pytest.raises(UserError, match=r"its file fails: PermissionError"):
        judge(tmp_path, {"house_rules:short": {"most": 2}})
    assert not (tmp_path / "mark").exists()
    assert "house_rules" not in sys.modules


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("peeks", "PermissionError"),
        ("calls_home", "PermissionError|not permitted"),
        ("raw", "gave 7 for 'word'.*a number from 0 to 1"),
        ("absent", "defines no function 'absent'.*short, peeks"),
    ],
)
def test_what_it_must_not_do_or_give_is_refused_before_anything_is_judged(tmp_path, name, message):
    with pytest.raises(UserError, match=message):
        judge(house(tmp_path), f"house_rules:{name}")


def test_settings_are_checked_against_the_function(tmp_path):
    house(tmp_path)
    with pytest.raises(UserError, match="setting most is missing"):
        judge(tmp_path, "house_rules:short")
    with pytest.raises(UserError, match="unknown setting least"):
        judge(tmp_path, {"house_rules:short": {"most": 1, "least": 2}})
    with pytest.raises(UserError, match=r"no file of a module 'hous_rules'.*hous_rules\.py"):
        judge(tmp_path, "hous_rules:short")


def test_a_check_that_fails_later_names_the_answer(tmp_path):
    made = judge(house(tmp_path), "house_rules:fails")
    with pytest.raises(UserError, match=r"gave KeyError.*for 'other'"):
        made.judge([Group("Why?", ["word", "other"])])


def test_a_check_without_end_is_stopped(tmp_path, monkeypatch):
    from dataclasses import replace

    from truenorth.judges import foreign

    monkeypatch.setattr(foreign, "LIMITS", replace(foreign.LIMITS, wall_s=2.0))
    made = judge(house(tmp_path), "house_rules:loops")
    with pytest.raises(UserError, match="was stopped at 2 s"):
        made.judge([Group("Why?", ["on"])])


def test_thousands_of_answers_are_few_processes_and_keep_their_order(tmp_path, monkeypatch):
    from truenorth.judges import foreign

    started = []
    real = foreign.run_confined
    monkeypatch.setattr(foreign, "run_confined", lambda *a, **k: started.append(1) or real(*a, **k))
    made = judge(house(tmp_path), {"house_rules:short": {"most": 1}})
    texts = ["one" if i % 3 else "one two" for i in range(4500)]
    [group] = made.judge([Group("Why?", texts)])
    assert [j.score for j in group] == [1.0 if i % 3 else 0.0 for i in range(4500)]
    assert len(started) == 1 + 3  # one to try it, then 4,500 in parts of 2,000
