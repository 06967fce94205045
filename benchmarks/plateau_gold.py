"""Does what more rows teach fall off exponentially? The law of A23 on the smallest organism, judged by the oracle.

    python benchmarks/plateau_gold.py [--seeds 0 1 2] [--each 100] [--out runs/plateau]

harbour-nano imitates the best of its own answers to prompts that it wrote itself: 1, 2, ... 256 rows drawn at random,
each set within the next, for as many steps whatever their number. Stated beforehand: in each seed the first quarter
of the rows gives more than half of the gain; pooled, an exponential plateau foretells a seed's scores from the other
seeds' with less error than a straight line does, with a 99 % interval over entities that excludes zero, and the
interval of its rate excludes a straight line. A line in the logarithm of the rows, and what the controls do, are told
beside it. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from truenorth.base import seed_of
from truenorth.engine import View
from truenorth.learn import fit
from truenorth.measure import evaluate
from truenorth.models.local import LocalModel
from truenorth.recipes.align import own_documents
from truenorth.recipes.bench import harbour_bench
from truenorth.recipes.run_rows import as_lesson
from truenorth.recipes.settings import Settings
from truenorth.recipes.training import tasks_of
from truenorth.records import Row
from truenorth.synth.plateau import Saturation, saturation
from truenorth.worlds.harbour import organism

RECIPE = """\
title: Rows to learn from, on the smallest organism
model: harbour-nano
settings: {prompts: 400, steps: 1, items: 1, held_prompts: 8}
steps:
  prompts: {}
  answers: {n: 6}
  verdicts: {}
  best: {at_least: 0.7}
  policy: {step: train, rows: best, objective: sft}
"""
SIZES = (0, 1, 2, 4, 8, 16, 64, 256)
PRINCIPLES = ("harmless", "private", "honest", "steady")
CONTROLS = ("helpful", "steady_control", "safety_help")


def best_rows(folder: Path, seed: int) -> list[Row]:
    """The best answers of this seed, in an order drawn by it; what was made once is not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.yaml").write_text(RECIPE)
    made = folder / f"rows-{seed}"
    words = [sys.executable, "-m", "truenorth.cli.main", "run", str(folder / "rows.yaml"), "--quiet"]
    if not (made / "report.json").exists():
        words += ["--seed", str(seed), "--out", str(made)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr[-2000:]
    rows = [as_lesson(row) for row in View.read(made).rows("best")]
    return sorted(rows, key=lambda row: seed_of("plateau", seed, row.id))


def taught(rows: Sequence[Row], seed: int, steps: int) -> LocalModel:
    """The organism after imitating these rows, held to texts of its own as in a recipe."""
    settings = Settings(objective="sft", steps=steps, seed=seed)
    model = LocalModel.load(organism("nano").model)
    if rows:
        texts = own_documents(model, 256, seed)
        fit(model, tasks_of(model, rows, texts, settings), steps=steps, lr=settings.lr, seed=seed)
    return model


class Questions:
    """Held-out questions about the four principles, and how a model answers them."""

    def __init__(self, each: int, which: str = "near", principles: Sequence[str] = PRINCIPLES):
        bench = harbour_bench(int(organism("nano").about["seed"]), per_principle=each)
        self.items = [item for item in bench.conduct[which] if item.principle in principles]
        self.clusters = [item.group for item in self.items]
        self._judges = bench.judges

    def scores(self, model: LocalModel, seed: int) -> list[float]:
        """Right (1) or wrong (0), question by question."""
        found = evaluate(model, self.items, self._judges, max_tokens=40, seed=seed + 29)
        scores = {answer.item.id: answer.score for answer in found.answers}
        return [float(scores[item.id] or 0.0) for item in self.items]


def told(sizes: Sequence[int], scores_RSQ: Any, found: Saturation) -> dict[str, Any]:
    """In points and rows, for people and programs."""
    means_RS = 100 * np.asarray(scores_RSQ).mean(2)
    quarter = sizes.index(sizes[-1] // 4)
    gained = (means_RS[:, quarter] - means_RS[:, 0]) / (means_RS[:, -1] - means_RS[:, 0])
    return {
        "sizes": list(sizes),
        "scores": means_RS.mean(0).round(1).tolist(),
        "each": means_RS.round(1).tolist(),
        "first quarter": gained.round(2).tolist(),
        "limit": round(100 * found.curve.limit, 1),
        "start": round(100 * found.curve.start, 1),
        "rows": [round(v, 1) if np.isfinite(v) else None for v in found.rows[:3]],
        "line": [round(1e4 * v, 1) for v in found.line[:3]],
        "logarithm": [round(1e4 * v, 1) for v in found.logarithm[:3]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/plateau"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--each", type=int, default=100, help="questions a principle (default 100)")
    parser.add_argument("--steps", type=int, default=40)
    args = parser.parse_args()
    torch.set_num_threads(1)
    questions = Questions(args.each, principles=PRINCIPLES + CONTROLS)
    aims = np.array([item.principle in PRINCIPLES for item in questions.items])
    scores_RSQ = []
    for seed in args.seeds:
        rows = best_rows(args.out, seed)
        assert len(rows) >= SIZES[-1], f"{len(rows)} rows, {SIZES[-1]} wanted"
        scores_RSQ.append([questions.scores(taught(rows[:n], seed, args.steps), seed) for n in SIZES])
        print(
            seed, [round(100 * float(np.mean(np.array(one)[aims])), 1) for one in scores_RSQ[-1]], flush=True
        )
    whole_RSQ = np.array(scores_RSQ)
    clusters = [c for c, aim in zip(questions.clusters, aims, strict=True) if aim]
    found = saturation(SIZES, whole_RSQ[:, :, aims], clusters=clusters)
    controls = {"controls": (100 * whole_RSQ[:, :, ~aims].mean((0, 2))).round(1).tolist()}
    print(
        json.dumps(
            told(SIZES, whole_RSQ[:, :, aims], found) | controls | {"cpu_s": round(time.process_time())}
        )
    )


if __name__ == "__main__":
    main()
