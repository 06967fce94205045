"""Prompts for every leaf of a taxonomy, so that nothing is left out."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.models.protocol import Model
from truenorth.recipes.run_limits import Count, File, Writing
from truenorth.recipes.run_rows import fresh
from truenorth.recipes.run_work import Have, Load, Prompts, Work
from truenorth.recipes.settings import Settings
from truenorth.synth.taxonomy import coverage, read_taxonomy, taxonomy_of, taxonomy_prompts


def taxonomy(
    model: Model, work: Work, *, file: File = "", n: Count | None = None, way: Writing = "list"
) -> Prompts:
    """About `n` prompts (default: the job's number), as many for each leaf.

    Args:
        file: a taxonomy in YAML; by default the constitution's principles and their examples are the leaves.
        way: "list" asks for prompts by the leaf's examples; "turns" has a chat model write in the user's place, from
            the first words of an example on, for small models.

    Source: Sudalairaj et al. 2024, LAB (arXiv:2403.01081), section 3.
    """
    wanted, turns = n or work.settings.prompts, way == "turns"
    tree = read_taxonomy(file) if file else taxonomy_of(work.job.constitution, opening=3 if turns else 0)
    each = max(1, round(wanted / max(1, len(tree.leaves)) / (1 if turns else 5)))
    found = taxonomy_prompts(
        model,
        tree,
        each,
        way="turns" if turns else "list",
        max_tokens=40 if turns else 256,
        seed=work.settings.seed,
    )
    rows = fresh(work, found, "prompts of leaves")
    work.count("leaves without a prompt", sum(count == 0 for count in coverage(rows, tree).values()))
    return rows


def forecast(rows: Sequence[float], settings: Settings, **given: object) -> Load:
    wanted = float(str(given.get("n") or settings.prompts))
    return Load(0.6 * wanted, answers=wanted)


def lacks(have: Have, **settings: object) -> str:
    return (
        ""
        if have.chats or settings.get("way") != "turns"
        else "needs a chat template, to write in the user's place"
    )
