"""Judges from a few lines of YAML: every kind opens, and what does not fit is named."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from truenorth.base import UserError
from truenorth.judges.mixture import MixtureJudge
from truenorth.judges.panel import PanelJudge
from truenorth.judges.protocol import Judge
from truenorth.judges.refusal import RefusalJudge
from truenorth.judges.spec import ASKING, KINDS, MAKERS, open_judge
from truenorth.records import Group

SHORT = {"kind": "check", "name": "max_words", "limit": 3}
LONG = {"kind": "check", "name": "min_words", "limit": 2}


def test_every_kind_has_one_way_to_be_made():
    assert set(KINDS) == set(ASKING) | set(MAKERS)
    assert not set(ASKING) & set(MAKERS)


def test_kinds_without_a_model_open_and_judge(tmp_path: Path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "2+2?", "answer": "4"}\n')
    kinds: list[tuple[dict[str, Any] | str, str, float]] = [
        (SHORT, "Two words.", 1.0),
        ({"kind": "panel", "members": [SHORT, LONG]}, "One", 0.5),
        ({"kind": "panel", "members": [SHORT, LONG], "way": "majority"}, "Two words", 1.0),
        ({"kind": "verifiable", "rows": "rows.jsonl"}, "It is 4.", 1.0),
        (
            {
                "kind": "rules",
                "rules": {"short": {"text": "Be short.", "check": {"max_words": {"limit": 1}}}},
            },
            "a b",
            0.0,
        ),
        ({"kind": "refusal"}, "I'm sorry, I can't help with that.", 0.0),
        ("check:no_repeat", "Once. Twice. Thrice.", 1.0),
        ("refusal", "Sure: mix and bake.", 1.0),
        ({"kind": "reference", "references": {"2+2?": "4"}}, "4", 1.0),
    ]
    for spec, text, score in kinds:
        judge = open_judge(spec, folder=tmp_path)
        assert isinstance(judge, Judge)
        assert judge.judge([Group("2+2?", [text])])[0][0].score == score, spec
    assert isinstance(open_judge("refusal"), RefusalJudge)
    assert isinstance(open_judge({"kind": "panel", "members": [SHORT, LONG]}), PanelJudge)


def test_kinds_with_models_open_them_from_folders(tiny_llama: Any, tmp_path: Path):
    folders = [str(tiny_llama(context=2048, seed=seed)) for seed in (0, 1)]
    mixture = open_judge({"kind": "mixture", "reviewers": folders, "aggregator": folders[0], "words": 3})
    assert isinstance(mixture, MixtureJudge)
    assert (len(mixture.reviewers), mixture.words) == (2, 3)
    file = tmp_path / "judge.yaml"
    file.write_text(f'kind: logprob\nmodel: {folders[0]}\nstatement: Be kind.\noptions: ["Yes", "No"]\n')
    judge: Any = open_judge(str(file))
    assert (judge.statement, judge.options) == ("Be kind.", ("Yes", "No"))


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"kind": "rubrik"}, "unknown kind 'rubrik'.*rubric"),
        ({"kind": "rubric", "criterium": "x"}, "unknown setting criterium.*criterion"),
        ({"kind": "rubric"}, "setting model, criterion is missing"),
        ({"kind": "rubric", "model": 7, "criterion": "x"}, "model 7.*folder"),
        ({"kind": "mixture", "reviewers": []}, "model None"),
        ({"kind": "logprob", "model": "m", "options": [True, False]}, "not all text.*quotes"),
        ({"kind": "panel", "members": [SHORT]}, "at least two"),
        ({"kind": "panel", "members": [SHORT, LONG], "weighs": 1}, "weighs"),
    ],
)
def test_what_does_not_fit_is_named(spec: dict[str, Any], told: str):
    with pytest.raises(UserError, match=told):
        open_judge(spec)


OWN = """
from truenorth.records import Judgement


class Longest:
    def __init__(self, *, most: int = 5):
        self.most, self.name = most, "longest"

    def judge(self, groups):
        return [[Judgement(min(1.0, len(c.split()) / self.most), self.name) for c in g.completions] for g in groups]


def nothing():
    return 5
"""


def test_a_judge_of_ones_own_is_a_kind_and_a_member_where_code_is_allowed(tmp_path: Path):
    """Four words of at most five; in a panel with a check that says 0, the mean."""
    (tmp_path / "own_longest.py").write_text(OWN)
    file = tmp_path / "mine.yaml"
    file.write_text(
        "kind: panel\nmembers:\n  - {kind: 'own_longest:Longest', most: 5}\n"
        "  - {kind: check, name: max_words, limit: 1}\n"
    )
    with pytest.raises(UserError, match="--allow-code runs it"):
        open_judge(str(file))
    assert "own_longest" not in sys.modules
    before = list(sys.path)
    [[found]] = open_judge(str(file), allow_code=True).judge([Group("?", ["one two three four"])])
    assert found.score == pytest.approx(0.4)
    assert sys.path == before
    own = open_judge("own_longest:Longest", folder=tmp_path, allow_code=True)
    assert own.judge([Group("?", ["one"])])[0][0].score == pytest.approx(0.2)
    for spec, says in (
        ({"kind": "own_longest:nothing"}, "is no judge"),
        ({"kind": "own_longest:Shortest"}, "cannot import"),
        ({"kind": "own_longest:Longest", "least": 1}, "least"),
    ):
        with pytest.raises(UserError, match=says):
            open_judge(spec, folder=tmp_path, allow_code=True)


def test_a_file_cannot_allow_itself_to_run_code(tmp_path: Path):
    (tmp_path / "code.yaml").write_text(
        "name: t\nversion: '1'\nprinciples:\n  - {id: a, statement: b, kind: value, checks: [{'own_code:f': {}}]}\n"
    )
    (tmp_path / "mine.yaml").write_text(
        f"kind: constitution\npath: {tmp_path / 'code.yaml'}\nallow_code: true\n"
    )
    with pytest.raises(UserError, match="code"):
        open_judge(str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"kind": "panel", "members": 3}, "members is 3; expected a list"),
        ({"kind": "rules", "rules": ["kind"]}, r"rules is \['kind'\]; expected names"),
        ({"kind": "mixture", "reviewers": "m"}, "reviewers is 'm'; expected a list"),
    ],
)
def test_settings_of_another_shape_are_refused(spec, says):
    with pytest.raises(UserError, match=says):
        open_judge(spec)
