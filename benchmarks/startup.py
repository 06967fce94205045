"""How long `truenorth --help` and `import truenorth` take, in fresh processes, beside a bare Python.

    python benchmarks/startup.py            ten rounds, the cases take turns; the last line is JSON

Limits: `--help` under 0.3 s; neither torch nor transformers loaded.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 10
HEAVY = "print(sorted({'torch', 'transformers'} & set(sys.modules)))"
CASES = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import truenorth": [sys.executable, "-c", "import truenorth"],
    "truenorth --help": [str(Path(sys.executable).with_name("truenorth")), "--help"],
    "import truenorth.engine": [sys.executable, "-c", "import truenorth.engine"],
}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    for command in CASES.values():  # warm the page cache
        seconds(command)
    taken: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(ROUNDS):
        for name, command in CASES.items():
            taken[name].append(seconds(command))
    for name, values in taken.items():
        print(
            f"{name:<26} min {min(values):.3f} s   median {statistics.median(values):.3f} s"
            f"   max {max(values):.3f} s"
        )
    check = f"import sys; from truenorth.cli.main import main; main(['--help']); {HEAVY}"
    loaded = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True)
    line = {"case": "startup", "python": platform.python_version(), "rounds": ROUNDS}
    line |= {
        name: {"min_s": round(min(v), 4), "median_s": round(statistics.median(v), 4)}
        for name, v in taken.items()
    }
    print(json.dumps(line | {"loaded": json.loads(loaded.stdout.splitlines()[-1].replace("'", '"'))}))


if __name__ == "__main__":
    main()
