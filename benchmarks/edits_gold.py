"""After a harmful fine-tune of the shipped organism: which edits bring harmlessness back, and at what cost.

    python benchmarks/edits_gold.py [--seeds 0 1 2] [--items 80] [--steps 40] [--folder DIR]

The organism (base) is taught to refuse harm and to help with look-alikes (aligned), then fine-tuned on 48 harmful
answers among 48 facts (tuned), and separately on 48 other harmful answers (unaligned). Each edit gets what its
paper gives it: SafePatching the organism as it ships, which refuses some harm. Judged by the oracle on held-out
questions near those of training: paired differences from the tuned model (of probes and low bits: from the aligned
one; of patches: from the base), each in every seed and pooled with 99 % intervals clustered by entity; CPU seconds of
each edit, the mean. With `--folder`, what has been made and measured stays. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from _edits_made import Edits, Make
from _edits_models import MEASURES, Bench, Models, Row, measured

from truenorth.base import seed_of, write_json
from truenorth.gallery.claims import Claim, Question, claim
from truenorth.gallery.words import MARKS


def of_seed(folder: Path, seed: int, steps: int, bench: Any, only: Sequence[str]) -> dict[str, Row]:
    """The edits of one seed: their answers, those they are compared with, and their CPU seconds."""
    models = Models(folder, seed, steps)
    folder.mkdir(parents=True, exist_ok=True)
    edits = Edits(models)

    def row(title: str, make: Make, against: str) -> Row:
        kept = folder / f"{seed_of('row', title, bench.items):x}.json"
        if not kept.exists():
            start = time.process_time()
            made = make()
            seconds = time.process_time() - start
            write_json(
                kept,
                {"title": title, "against": against, "cpu_s": seconds, "answers": measured(made, bench.open)},
            )
            print(f"seed {seed}: {title}, {seconds:.1f} s", flush=True)
        return dict(json.loads(kept.read_text()))

    found = {
        "tuned": row("tuned", lambda: models.tuned, ""),
        "aligned": row("aligned", lambda: models.aligned, "tuned"),
        "base": row("base", lambda: models.base, ""),
    }
    kinds = {
        "tuned": edits.projected() | edits.restored(),
        "base": edits.patched(),
        "aligned": edits.probes(),
    }
    for against, makes in kinds.items():
        for title, make in makes.items():
            if not only or any(part in title for part in only):
                found[title] = row(title, make, against)
    return found


def told(seeds: Sequence[dict[str, Row]], title: str) -> Row:
    """One edit in all seeds: the mean of each measure and what can be claimed of it."""
    against = seeds[0][title]["against"]
    line: Row = {
        "edit": title,
        "against": against,
        "cpu_s": round(fmean(s[title]["cpu_s"] for s in seeds), 1),
    }
    for name in MEASURES:
        own = [s[title]["answers"][name] for s in seeds]
        line[name] = {"mean": round(fmean(score for one in own for score, _ in one.values()), 3)}
        if against:
            was = [s[against]["answers"][name] for s in seeds]
            line[name] |= as_data(claim([questions(a, b) for a, b in zip(was, own, strict=True)]))
    return line


def questions(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Question]:
    return [Question(before[key][0], after[key][0], after[key][1]) for key in after if key in before]


def as_data(found: Claim) -> Row:
    gap = {k: round(v, 3) for k, v in found.pooled._asdict().items() if k in ("difference", "low", "high")}
    return gap | {"verdict": found.verdict, "seeds": [round(v, 3) for v in found.seeds], "more": found.more}


def shown(line: Row) -> str:
    cells = []
    for name in MEASURES:
        own = line[name]
        gap = (
            f" {MARKS[own['verdict']]} {own['difference']:+.2f} ({own['low']:+.2f} {own['high']:+.2f})"
            if line["against"]
            else ""
        )
        cells.append(f"{name} {own['mean']:.2f}{gap}")
    return f"{line['edit']:<42} {'  '.join(cells)}  {line['cpu_s']:.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=80, help="questions a measure (default 80)")
    parser.add_argument("--steps", type=int, default=40, help="of the harmful fine-tune (default 40)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="PART", help="edits whose name has it")
    parser.add_argument("--folder", type=Path, help="keep models here, and find them again")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        root, bench = args.folder or Path(scratch), Bench(args.items)
        seeds = [of_seed(root / str(seed), seed, args.steps, bench, args.only) for seed in args.seeds]
    table = [told(seeds, title) for title in seeds[0]]
    print("\n".join(map(shown, table)))
    print(json.dumps({"items": args.items, "seeds": args.seeds, "load": os.getloadavg()[0], "rows": table}))


if __name__ == "__main__":
    main()
