"""A million rows through each step of `truenorth data`: peak memory beside a hundred thousand's, CPU seconds.

    python benchmarks/million_rows.py --rows 1000000

Each step runs in a process of its own, on a Parquet file of chats of about 120 characters, an address in every tenth.
`dedupe` also holds a summary of every row. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

BATCH = 10_000


def made(count: int) -> Iterator[list[dict]]:
    rng = np.random.default_rng(0)
    words = np.array([f"w{i:x}" for i in range(40_000)])
    for at in range(0, count, BATCH):
        said = words[(40_000 * rng.random((min(BATCH, count - at), 20)) ** 3).astype(int)]
        yield [
            {
                "prompt": [
                    {"role": "user", "content": " ".join(w) + (f" u{at + i}@mail.org" if i % 10 == 0 else "")}
                ],
                "group": f"g{i % 7}",
                "ok": bool(i % 3),
            }
            for i, w in enumerate(said)
        ]


STEPS = {
    "balance": ["--group", "group", "--label", "ok"],
    "scrub": ["--key", "{folder}/key.json"],
    "decontaminate": ["--against", "eval={folder}/eval.jsonl"],
    "dedupe": [],
}


def step(name: str, folder: Path, rows: int) -> dict[str, float | int | str]:
    """One step, as a command would run it."""
    from truenorth.cli.main import main

    out = ["--out", f"{folder}/out.json" if name == "balance" else f"{folder}/out.parquet"]
    words = [
        "data",
        name,
        f"{folder}/{rows}.parquet",
        *out,
        *(w.format(folder=folder) for w in STEPS[name]),
        "-q",
    ]
    wall, cpu = time.perf_counter(), time.process_time()
    assert main(words) == 0
    return {
        "step": name,
        "rows": rows,
        "cpu_s": round(time.process_time() - cpu, 1),
        "wall_s": round(time.perf_counter() - wall, 1),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        print(json.dumps(step(args.step, args.folder, args.rows)))
        return
    from truenorth.records.batches import write_batches

    found = []
    with tempfile.TemporaryDirectory() as folder:
        write_batches(Path(folder) / "eval.jsonl", made(500))
        for rows in (args.rows // 10, args.rows):
            write_batches(Path(folder) / f"{rows}.parquet", made(rows))
            for name in STEPS:
                command = [sys.executable, __file__, "--step", name, "--rows", str(rows), "--folder", folder]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    sys.exit(done.stderr)
                found.append(json.loads(done.stdout.splitlines()[-1]))
                print(found[-1], flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
