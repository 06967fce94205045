"""A small main job in a process of its own, to be killed: `small_align.py FOLDER [--without-gold]`.

With --without-gold the world's truth cannot be imported; the job ends where it would start to measure.
"""

from __future__ import annotations

import sys

import torch

from truenorth.engine import Run
from truenorth.recipes.align import align
from truenorth.recipes.harbour import harbour_job
from truenorth.recipes.settings import Settings
from truenorth.worlds.harbour import organism

SMALL = Settings(prompts=120, held_prompts=16, samples=6, steps=12, evaluations=3, batch=8, items=8)


class NoGold:
    """An import hook: the folder might as well have been deleted."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if ".gold" in name:
            raise ImportError(f"{name} is not to be looked at")


def main(folder: str, *flags: str) -> None:
    torch.set_num_threads(1)
    if "--without-gold" in flags:
        sys.meta_path.insert(0, NoGold())
    job = harbour_job(organism(), SMALL)
    with Run.open(folder, config=job.config(), constitution=job.constitution.label, seeds=[0]) as run:
        align(job, run, quiet=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
