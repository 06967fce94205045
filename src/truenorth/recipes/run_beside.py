"""The model of a recipe beside that of one of its earlier steps: the baseline that its claim names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from truenorth.engine import Run
from truenorth.measure import compare
from truenorth.models.local import LocalModel
from truenorth.recipes.job import Job
from truenorth.recipes.measuring import Measured, measure


def beside(job: Job, run: Run, base: LocalModel, name: str, baseline: Path, weights: Path) -> dict[str, Any]:
    """Both measured on the same questions, as a table for the report. The baseline's answers are steps of the run
    whose names end in its own."""
    models: dict[str, tuple[LocalModel, Any]] = {
        name: (LocalModel.load(baseline), baseline),
        "aligned": (LocalModel.load(weights), weights),
    }
    measured = measure(run, job.bench(base, run), models, job.settings)
    return {
        "title": f"Against {name}",
        "caption": "Differences in points, on the same questions, with 95% intervals and p corrected by Holm's method.",
        "columns": ["measure", "set", name, "aligned", "difference", "p"],
        "rows": lines(measured),
    }


def lines(measured: Measured) -> list[list[str]]:
    """A line for each measure of each set."""
    found = []
    for sets in (measured.conduct, measured.abilities):
        for which, both in sets.items():
            for quantity, one in compare(*both).items():
                d = one.paired
                told = f"{100 * d.difference:+.1f} ({100 * d.low:+.1f} to {100 * d.high:+.1f})"
                rates = [f"{100 * e.mean:.1f}" for e in (one.base, one.aligned)]
                found.append([quantity, which, *rates, told.replace("-", "−"), f"{one.p_holm:.2g}"])
    return found
