"""Makers on a real endpoint that is down, answers with nothing, repeats itself or ignores what was asked."""

from __future__ import annotations

import threading
import time

import pytest

from servers import Behaviour, serving
from truenorth.constitution import load
from truenorth.models import HttpModel
from truenorth.records import Row, Source
from truenorth.synth import (
    evolve,
    guided,
    persona_prompts,
    red_team,
    revisions,
    scene_answers,
    self_instruct,
    topics,
    translated,
)

ASKED = [{"prompt": [{"role": "user", "content": f"Who keeps the {x} light?"}]} for x in "abcdefgh"]
SAID = {"completion": [{"role": "assistant", "content": "Nobody does."}]}
SEEDS = [Row(data, Source("human")) for data in ASKED]
DRAFTS = [Row({**data, **SAID}, Source("m")) for data in ASKED]
KINDS = [f"questions of kind {i}" for i in range(8)]
PEOPLE = [Row({"persona": f"A keeper of light {x}"}, Source("human")) for x in "abcdefgh"]
MAKERS = {
    "topics": lambda model: topics(model, KINDS),
    "personas": lambda model: persona_prompts(model, PEOPLE),
    "red team": lambda model: red_team(model, load("harbour"), 2),
    "evolve": lambda model: evolve(model, SEEDS, rounds=1, gain=""),
    "guided": lambda model: guided(model, SEEDS, context="Be brief."),
    "revisions": lambda model: revisions(model, DRAFTS, {"kind": "Be kind."}),
    "translated": lambda model: translated(model, SEEDS, language="French"),
    "scenes": lambda model: scene_answers(model, DRAFTS),
}


def endpoint(url: str, **settings: object) -> HttpModel:
    return HttpModel(url, "m", **{"backoff_s": 0.01, "timeout_s": 2.0, "retries": 2, **settings})  # type: ignore[arg-type]


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize(
    ("says", "reasons"),
    [
        (lambda text: "", {"error", "roles: error"}),  # an empty reply is asked for again, then given up
        (lambda text: "on and on " * 20, {"repeated", "roles: repeated"}),
        (lambda text: "I see.\nVery well.", {"format", "roles: format"}),
    ],
    ids=["empty", "repeated", "other format"],
)
def test_no_reply_is_lost_whatever_comes_back(maker: str, says: object, reasons: set[str]) -> None:
    with serving(Behaviour(says=says)) as url:  # type: ignore[arg-type]
        result = MAKERS[maker](endpoint(url))
    if result.kept:  # makers that read free text take any text for an answer
        assert says("") == "I see.\nVery well."  # type: ignore[operator]
        assert maker in ("evolve", "guided", "revisions", "translated")
    else:
        assert set(result.dropped) <= reasons
        assert sum(result.dropped.values()) >= 8


def test_an_endpoint_that_comes_back_after_a_while_costs_time_and_no_rows() -> None:
    behaviour = Behaviour(says=lambda text: f"{text} Nobody knows.", fatal_status=503)
    with serving(behaviour) as url:
        start = time.monotonic()
        threading.Timer(0.3, lambda: setattr(behaviour, "fatal_status", 0)).start()
        result = guided(endpoint(url, retries=12, backoff_s=0.05), SEEDS)
    assert time.monotonic() - start > 0.25
    assert (len(result.kept), result.dropped) == (8, {})


def test_an_endpoint_that_stays_down_is_counted_and_ends_the_search() -> None:
    with serving(Behaviour(fault_rate=1.0, faults=("500",))) as url:
        result = self_instruct(endpoint(url), SEEDS, 20, together=2, patience=2)
        scenes = scene_answers(endpoint(url), DRAFTS)
    assert (result.kept, result.dropped) == ([], {"error": 4})
    assert (scenes.kept, scenes.dropped) == ([], {"roles: error": 8})
