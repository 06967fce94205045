"""Where the truth is known: a tenth of the data, well chosen, teaches what all of them do. Three seeds; minutes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNS = Path(os.environ.get("TRUENORTH_PROOFS", ROOT / "runs"))


@pytest.mark.gold
def test_a_tenth_by_deita_is_within_the_interval_of_all_and_above_a_random_tenth():
    """Row A22, over the four principles together; one of them alone, honesty far away, does fall."""
    words = [sys.executable, str(ROOT / "benchmarks" / "selection_gold.py"), "--out", str(RUNS / "selection")]
    done = subprocess.run(
        [*words, "--ways", "deita", "random", "all"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = {(line["way"], line["set"], line["of"]): line for line in json.loads(done.stdout.splitlines()[-1])}
    for which in ("near", "far"):
        mine, chance = (told[way, which, "four principles"] for way in ("deita", "random"))
        _, low, high = mine["less all"]
        assert low < 0 < high
        assert low > -15  # and it is not that the interval is wide
        assert mine["score"] > chance["score"]
