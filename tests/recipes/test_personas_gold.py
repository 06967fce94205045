"""Personas and roles where the truth is known (row A30): prompts less alike, and what a role cannot know is declined.

That a role says what it is stands in the recipe's claim (`test_run_gold.py`, whose runs these are).
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from test_gold import SEEDS, pooled
from test_run_gold import run

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "personas_gold.py"
MORE = ("entropy of openings", "topics", "vendi")

pytestmark = pytest.mark.gold


@cache
def told() -> dict[str, Any]:
    """What the last line of the benchmark says."""
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    print(done.stdout)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_prompts_of_personas_make_the_models_own_less_alike():
    """At equal numbers, in each seed and pooled: by how they begin, by what they ask about, and by the Vendi score."""
    for one in told()["each"]:
        for measure in MORE:
            assert one["personas"][measure] > one["own"][measure], measure
    assert told()["pooled"]["entropy of openings"][1] > 0
    assert told()["pooled"]["entropy of topics"][1] > 0


@pytest.mark.xfail(strict=True, reason="98 different beginnings against 100 in the third seed")
def test_prompts_of_personas_begin_in_more_ways_in_every_seed():
    assert all(one["personas"]["openings"] > one["own"]["openings"] for one in told()["each"])


@pytest.mark.xfail(
    strict=True, reason="0.549 against 0.535: they are a little more like their nearest neighbour"
)
def test_prompts_of_personas_are_less_like_their_nearest_neighbour():
    assert told()["pooled"]["nearest likeness"][2] < 0


def test_what_a_role_cannot_know_is_declined_more_often():
    """In each of three seeds and pooled, while the role's own questions are answered (the recipe's claim)."""
    runs = [run("roles", seed) for seed in SEEDS]
    found = pooled(runs, "conduct", "near", "out of role")
    print(f"\nout of role: {found}")
    assert all(pooled([view], "conduct", "near", "out of role").difference > 0 for view in runs)
    assert found.low > 0
