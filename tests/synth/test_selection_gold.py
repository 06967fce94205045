"""Where the truth is known: a tenth of the data, well chosen, teaches what all of them do; and what more rows teach
falls off. Three seeds; minutes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNS = Path(os.environ.get("TRUENORTH_PROOFS", ROOT / "runs"))


pytestmark = pytest.mark.gold


def told_by(script, *words):
    """What the last line of a benchmark says."""
    command = [sys.executable, str(ROOT / "benchmarks" / script), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    print(done.stdout)
    return json.loads(done.stdout.splitlines()[-1])


def test_a_tenth_by_deita_is_within_the_interval_of_all_and_above_a_random_tenth():
    """Row A22, over the four principles together; one of them alone, honesty far away, does fall."""
    lines = told_by("selection_gold.py", "--out", str(RUNS / "selection"), "--ways", "deita", "random", "all")
    told = {(line["way"], line["set"], line["of"]): line for line in lines}
    for which in ("near", "far"):
        mine, chance = (told[way, which, "four principles"] for way in ("deita", "random"))
        _, low, high = mine["less all"]
        assert low < 0 < high
        assert low > -15  # and it is not that the interval is wide
        assert mine["score"] > chance["score"]


def test_what_more_rows_teach_falls_off_exponentially():
    """Row A23, the law: no straight line, and a plateau foretells a seed from the others better than a line does."""
    told = told_by("plateau_gold.py", "--out", str(RUNS / "plateau"))
    assert all(share > 0.5 for share in told["first quarter"])  # a straight line would give a quarter
    assert told["rows"][2] is not None  # the interval of the rate excludes a straight line
    assert told["line"][1] > 0
