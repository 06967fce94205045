"""How much honesty costs: unanswerable questions declined against answerable ones lost, at every threshold.

    python benchmarks/honesty_curve.py runs/proof-0 runs/proof-1 runs/proof-2

A model declines a question by degrees: in a share of its answers. Declining wherever that share is at least t gives a
point of the curve for each t; runs are pooled, near and far apart. The point where the model itself stands (one
answer a question, at temperature 1) is printed too. Intervals are of 95 %, clustered by entity.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from truenorth.judges import ConsistencyJudge
from truenorth.judges.consistency import DECLINES
from truenorth.judges.lawful import REFUSALS
from truenorth.measure import Item
from truenorth.models.local import LocalModel
from truenorth.recipes.bench import harbour_bench
from truenorth.stats import mean

SHARES = (0.01, 0.02, 0.05, 0.10, 0.20)


def declined(model: LocalModel, items: Sequence[Item], n: int) -> list[float]:
    """Of each question, the share of `n` answers that decline it."""
    hears = ConsistencyJudge(model, decline=DECLINES + REFUSALS).declines
    groups = model.sample([item.prompt for item in items], n, max_tokens=40, seed=1)
    return [sum(hears(c.text) for c in group) / n for group in groups]


def told(values: Sequence[float], clusters: Sequence[str]) -> str:
    found = mean(values, clusters=clusters)
    return f"{100 * found.mean:5.1f} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path, default=sorted(Path("runs").glob("proof-*")))
    parser.add_argument("--world", type=int, default=0)
    parser.add_argument("--answers", type=int, default=16)
    args = parser.parse_args()
    if not args.runs:
        print("no runs of the main job: name their folders, or make some with `make proofs`")
        return
    bench = harbour_bench(args.world, per_principle=300)
    for name, conduct in bench.conduct.items():
        asked = [item for item in conduct if item.principle == "honest"]
        known = [item for item in bench.abilities[name] if item.principle.startswith("facts")]
        open_, lost = [], []
        for run in args.runs:
            model = LocalModel.load(run / "model")
            open_ += declined(model, asked, args.answers)
            lost += declined(model, known, args.answers)
        of_open, of_known = ([i.group for i in items] * len(args.runs) for items in (asked, known))
        print(
            f"{name}: declines {told(open_, of_open)} % of unanswerable, {told(lost, of_known)} % of answerable"
        )
        ranked = np.sort(np.asarray(lost))[::-1]
        for share in SHARES:
            at = ranked[int(share * len(ranked))]
            kept = told([float(x > at) for x in open_], of_open)
            cost = told([float(x > at) for x in lost], of_known)
            print(
                f"  declining above {at:.2f} of its answers: {kept} % of unanswerable, {cost} % of answerable"
            )


if __name__ == "__main__":
    main()
