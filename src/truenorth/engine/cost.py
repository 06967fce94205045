"""What a piece of work cost: seconds on the clock, CPU seconds, peak memory."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """Wall and CPU seconds (this process and its finished children), peak resident memory in MiB."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def meter() -> Callable[[], Cost]:
    """Start measuring; call the result to read the cost so far.

    Peak memory is that of this piece of work where Linux lets us reset the mark, else of the process so far.
    """
    _reset_peak()
    wall, cpu = time.perf_counter(), _cpu_s()
    return lambda: Cost(
        round(time.perf_counter() - wall, 3), round(_cpu_s() - cpu, 3), round(_peak_bytes() / 2**20, 1)
    )


def _cpu_s() -> float:
    return sum(os.times()[:4])


def _reset_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")  # man 5 proc: resets VmHWM
    except OSError:  # not Linux, or not allowed
        return


def _peak_bytes() -> int:
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:  # not Linux
        pass
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
