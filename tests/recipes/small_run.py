"""A recipe in a process of its own, to be killed: `small_run.py RECIPE FOLDER [--budget TEXT]`."""

from __future__ import annotations

import sys

import torch

from truenorth.cli.main import main

if __name__ == "__main__":
    torch.set_num_threads(1)
    recipe, folder, *flags = sys.argv[1:]
    sys.exit(main(["run", recipe, "--out", folder, "--quiet", *flags]))
