"""Recipes where the truth is known: what each claims, in each of three seeds and pooled over them.

Slow: minutes for each recipe. What has been run already is not run again; steps that recipes share (prompts, the base
model's answers to held-out questions) are taken over from runs of the same seed. `-k NAME` runs one recipe, and prints
the `gold:` line for its file with `-s`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_gold import SEEDS, pooled, scores

from truenorth.engine import View
from truenorth.recipes.run_recipe import Recipe, read_recipe, recipe_names

RUNS = Path(os.environ.get("TRUENORTH_PROOFS", Path(__file__).parents[2] / "runs"))
PRINCIPLES = ("harmless", "private", "honest", "steady")
MEASURING = ("conduct", "ability", "signals", "model")

pytestmark = pytest.mark.gold


def take_over(folder: Path, seed: int) -> None:
    """Link the finished steps of this seed's other runs: a step is found by what it was made from, wherever it is."""
    (folder / "steps").mkdir(parents=True, exist_ok=True)
    for other in RUNS.glob(f"recipe-*-{seed}/steps"):
        for file in other.iterdir():
            shared = file.name.startswith("prompts-") or "-base-" in file.name
            if shared and file.is_file() and not (folder / "steps" / file.name).exists():
                os.link(file, folder / "steps" / file.name)


def run(name: str, seed: int) -> View:
    folder = RUNS / f"recipe-{name}-{seed}"
    if not (folder / "report.json").exists():
        if not (folder / "manifest.json").exists():
            words = ["--budget", "0.001s"]  # opens the folder, so that steps can be taken over
            subprocess.run(command(name, seed, folder) + words, capture_output=True, check=False)
        take_over(folder, seed)
        done = subprocess.run(command(name, seed, folder), capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr[-2000:]
    return View.read(folder)


def command(name: str, seed: int, folder: Path) -> list[str]:
    words = [
        sys.executable,
        "-m",
        "truenorth.cli.main",
        "run",
        name,
        "--seed",
        str(seed),
        "--out",
        str(folder),
    ]
    return [*words, "--quiet"]


def told(recipe: Recipe, runs: list[View]) -> str:
    """The recipe's `gold:` line."""
    assert recipe.claim is not None
    claimed = pooled(runs, "conduct", recipe.claim.set, recipe.claim.quantity)
    each = [pooled(runs, "conduct", recipe.claim.set, p).difference for p in PRINCIPLES]
    facts = pooled(runs, "ability", recipe.claim.set, "facts").difference
    costs = [
        sum(c.cpu_s for step, c in view.costs().items() if not step.startswith(MEASURING)) for view in runs
    ]
    points = [
        round(100 * v, 1)
        for v in (claimed.difference, claimed.low, claimed.high, sum(each) / len(each), facts)
    ]
    names = ("points", "low", "high", "overall", "facts")
    values = [*(f"{k}: {v}" for k, v in zip(names, points)), f"cpu_s: {sum(costs) / len(costs):.0f}"]
    return f"gold: {{{', '.join(values)}, seeds: {len(runs)}}}"


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_does_what_it_claims_in_every_seed_and_pooled(name):
    recipe = read_recipe(name)
    assert recipe.claim is not None
    runs = [run(name, seed) for seed in SEEDS]
    sign = 1 if recipe.claim.direction == "up" else -1
    print(f"\n{name}: {told(recipe, runs)}")
    for view in runs:
        base, aligned, _ = scores(view, "conduct", recipe.claim.set, recipe.claim.quantity)
        assert sign * (sum(aligned) - sum(base)) > 0
    found = pooled(runs, "conduct", recipe.claim.set, recipe.claim.quantity)
    assert found.low > 0 if sign > 0 else found.high < 0
