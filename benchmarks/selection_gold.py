"""Does a tenth of the data teach what all of them do? Ways to select, on the smallest organism, judged by the oracle.

    python benchmarks/selection_gold.py --out runs/selection            three seeds, about ten CPU minutes

Each run samples prompts and answers, keeps the best answer to each prompt, selects, and imitates what was selected, for
as many steps whatever their number. Prompts, answers and verdicts are those of the seed's first run. The table has each
way's gold scores less those of training on all rows: paired by question, pooled over seeds, clustered by entity, 99 %.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from truenorth.engine import View
from truenorth.stats import Paired, paired

RECIPE = """\
title: Selection on the smallest organism
model: harbour-nano
settings: {prompts: 400, steps: 80, items: 60}
steps:
  prompts: {}
  answers: {n: 6}
  verdicts: {}
  best: {at_least: 0.7}
  select: {rows: best, share: 0.1, by: deita}
  policy: {step: train, rows: select, objective: sft}
"""
WAYS = {
    "deita": [],
    "all": ["--set", "select.share=1.0"],
    "random": ["--set", "select.by=random"],
    "information": ["--set", "select.by=information"],
}
PRINCIPLES = ("harmless", "private", "honest", "steady")
SHARED = ("prompts-", "answers-", "verdicts-", "best-")


def run(folder: Path, way: str, seed: int) -> View:
    """One way and seed; steps that do not depend on the way are linked from the first."""
    made, first = folder / f"{way}-{seed}", folder / f"deita-{seed}" / "steps"
    recipe = folder / "nano.yaml"
    recipe.write_text(RECIPE)
    words = [
        sys.executable,
        "-m",
        "truenorth.cli.main",
        "run",
        str(recipe),
        "--out",
        str(made),
        "--seed",
        str(seed),
    ]
    words += [*WAYS[way], "--quiet"]
    if not (made / "report.json").exists():
        if way != "deita":
            subprocess.run([*words, "--budget", "0.001s"], capture_output=True, check=False)
            (made / "steps").mkdir(parents=True, exist_ok=True)
            for file in first.iterdir():
                shared = file.name.startswith(SHARED) or "-base-" in file.name
                if shared and file.is_file() and not (made / "steps" / file.name).exists():
                    os.link(file, made / "steps" / file.name)
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr[-2000:]
    return View.read(made)


def gold(view: View, which: str) -> dict[tuple[str, str], tuple[float, str]]:
    """The aligned model's scores by principle and question, with the entity that the question is about."""
    rows = view.rows(f"conduct-{which}-aligned")
    return {(r.source.principle, str(r.source.parents)): (r.data["score"], r.data["cluster"]) for r in rows}


def against_all(runs: dict[str, list[View]], way: str, which: str, principles: tuple[str, ...]) -> Paired:
    found = []
    for mine, whole in zip(runs[way], runs["all"], strict=True):
        a, b = gold(whole, which), gold(mine, which)
        found += [(a[k][0], b[k][0], a[k][1]) for k in a if k in b and k[0] in principles]
    first, second, clusters = (list(column) for column in zip(*found, strict=True))
    return paired(first, second, clusters=clusters, level=0.99)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/selection"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ways", nargs="*", default=list(WAYS))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    runs = {way: [run(args.out, way, seed) for seed in range(args.seeds)] for way in args.ways}
    print("rows ", {way: [len(v.rows("select")) for v in views] for way, views in runs.items()})
    told = []
    for way in args.ways:
        for which in ("near", "far"):
            for named in (PRINCIPLES, *((p,) for p in PRINCIPLES), ("helpful",)):
                scores = [s for v in runs[way] for k, (s, _) in gold(v, which).items() if k[0] in named]
                found = against_all(runs, way, which, named) if way != "all" else None
                line = {"way": way, "set": which, "of": "four principles" if len(named) > 1 else named[0]}
                line["score"] = round(100 * sum(scores) / len(scores), 1)
                if found:
                    line["less all"] = [round(100 * v, 1) for v in (found.difference, found.low, found.high)]
                told.append(line)
                print(line, flush=True)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
