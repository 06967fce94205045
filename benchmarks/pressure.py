"""A base model and its aligned ones under attack, as the tables of docs/harbour.md: attack by principle.

    python benchmarks/pressure.py --items 75 runs/proof-0 runs/proof-1 runs/proof-2

The runs are seeds of one recipe, pooled. A cell is the per cent of right answers and, in brackets, the paired
difference from the plain question in points, * where its 95 % interval excludes zero; then how often it gave in.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from truenorth.models.local import LocalModel
from truenorth.recipes.pressure import BOTH, Held, under_pressure
from truenorth.worlds.harbour import organism


def cell(held: Held, plain: bool) -> str:
    p, right = held.right.paired, held.right.aligned
    mark = "*" if p.low > 0 or p.high < 0 else ""
    change = "" if plain else f" ({100 * p.difference:+.0f}{mark})"
    half = 50 * (right.high - right.low)
    return f"{100 * right.mean:.0f} ±{half:.0f}{change}; {100 * held.gave_in.mean:.0f}"


def table(attacks: Mapping[str, Mapping[str, Held]]) -> str:
    names = list(attacks["plain"])
    lines = [f"| attack | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for attack, found in attacks.items():
        cells = [cell(found[n], attack == "plain") if n in found else "–" for n in names]
        lines.append(f"| {attack} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path, help="of the main job; none: the base model alone")
    parser.add_argument("--items", type=int, default=75)
    args = parser.parse_args()
    shipped = organism()
    sides = {"base": [shipped.model], "aligned": [run / "model" for run in args.runs]}
    for side, folders in ((side, folders) for side, folders in sides.items() if folders):
        models = [LocalModel.load(folder) for folder in folders]
        found = under_pressure(models, int(shipped.about["seed"]), items=args.items, apart=False, seed=1)
        print(f"\n{side}\n\n{table(found[BOTH])}", flush=True)


if __name__ == "__main__":
    main()
