"""kill -9 at every write point and at random moments: a resumed run ends with the same bytes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path


def test_a_run_killed_at_any_write_point_or_moment_and_resumed_ends_with_the_same_bytes(tmp_path: Path):
    job = Path(__file__).with_name("job.py")
    memory = Path("/dev/shm")  # where fsync costs nothing; a kill does not reach what is in the page cache
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        done = subprocess.run([sys.executable, job, folder], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    killed = json.loads(done.stdout)
    assert killed["points"] >= 40  # two around each of the 20 writes or more
    assert killed["moments"] >= 5
