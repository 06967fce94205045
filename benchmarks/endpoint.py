"""Requests a second of HttpModel, 64 in flight, against a 20 ms server in a process of its own.

    python benchmarks/endpoint.py [--requests 6000] [--repeats 3] [--cache]

Prints a table and one JSON line. Latency sets a limit of 64 / 0.020 s = 3200 requests a second; the server
shares the machine, so its own limit counts too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from truenorth.models import HttpModel

SERVER = Path(__file__).resolve().parents[1] / "tests" / "servers.py"


def measure(url: str, requests: int, *, in_flight: int, cache: bool) -> dict[str, float]:
    """Rate and client CPU of `requests` answers, each of them checked."""
    prompts = [f"question number {i}" for i in range(requests)]
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "replies.db" if cache else None
        model = HttpModel(url, "m", in_flight=in_flight, cache=kept)
        wall, cpu = time.perf_counter(), time.process_time()
        answers = model.sample(prompts)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        model.close()
    assert [row[0].text for row in answers] == [prompt.upper() for prompt in prompts]
    return {"requests_per_s": requests / wall, "cpu_ms_per_request": 1000 * cpu / requests}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=6000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--cache", action="store_true", help="keep every reply on disk")
    given = parser.parse_args()
    command = [sys.executable, str(SERVER), "--delay-ms", "20"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            measure(url, 500, in_flight=given.in_flight, cache=given.cache)  # warm-up
            runs = [
                measure(url, given.requests, in_flight=given.in_flight, cache=given.cache)
                for _ in range(given.repeats)
            ]
        finally:
            server.terminate()
    rates = sorted(run["requests_per_s"] for run in runs)
    cpu = min(run["cpu_ms_per_request"] for run in runs)
    print(f"{'requests/s (best)':>20} {'(worst)':>9} {'CPU ms/request':>15}")
    print(f"{rates[-1]:>20.0f} {rates[0]:>9.0f} {cpu:>15.3f}")
    result = {
        "benchmark": "endpoint",
        "in_flight": given.in_flight,
        "delay_ms": 20,
        "cache": given.cache,
        "requests": given.requests,
        "requests_per_s": [round(rate, 1) for rate in rates],
        "cpu_ms_per_request": round(cpu, 4),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
