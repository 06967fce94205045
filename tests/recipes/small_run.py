"""A recipe in a process of its own, to be killed: `small_run.py RECIPE FOLDER [--without-gold] [options of run]`.

With --without-gold the world's truth cannot be imported; the recipe ends where it would start to measure.
"""

from __future__ import annotations

import sys

import torch
from small_align import NoGold

from truenorth.cli.main import main

if __name__ == "__main__":
    torch.set_num_threads(1)
    recipe, folder, *flags = sys.argv[1:]
    if "--without-gold" in flags:
        flags.remove("--without-gold")
        sys.meta_path.insert(0, NoGold())
    sys.exit(main(["run", recipe, "--out", folder, "--quiet", *flags]))
