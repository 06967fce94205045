"""Judges from a few lines of YAML: every kind opens, and what does not fit is named."""

from __future__ import annotations

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
