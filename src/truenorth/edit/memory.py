"""Freed memory kept for reuse, in commands that make and drop arrays all the time."""

from __future__ import annotations

import ctypes
import sys

KEPT, LARGE = 1 << 28, 1 << 25  # bytes: how much is kept, and from which size on a block never is
TRIM, MMAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h


def keep_memory() -> None:
    """Let this process keep what it frees, up to 256 MB. For whole commands: it holds until the process ends.

    glibc gives blocks of 128 KB and more back to the system, which hands their pages out again one fault at a time:
    a quarter of the time of a DARE merge. Where malloc is another, nothing happens.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(TRIM, KEPT)
            mallopt(MMAP, LARGE)
