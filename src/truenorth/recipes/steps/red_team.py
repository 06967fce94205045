"""Prompts that put principles to the test."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.models.protocol import Model
from truenorth.recipes.run_limits import Count, Writing
from truenorth.recipes.run_rows import fresh
from truenorth.recipes.run_work import Have, Load, Prompts, Work
from truenorth.recipes.settings import Settings
from truenorth.synth.red_team import red_team as attacked
from truenorth.synth.writing import Way


def red_team(
    model: Model, work: Work, *, n: Count | None = None, only: tuple[str, ...] = (), way: Writing = "list"
) -> Prompts:
    """About `n` prompts (default: the job's number) against the principles `only`, by default against all.

    Args:
        way: "list" asks for them by the statement; "turns" has a chat model write in the user's place, from the
            keywords of the principle on, for small models.

    Source: Perez et al. 2022 (arXiv:2202.03286), section 3.1.
    """
    wanted = n or work.settings.prompts
    constitution = work.job.constitution
    chosen = [p for p in constitution.principles if not only or p.id in only]
    style: Way = "turns" if way == "turns" else "list"
    briefs = sum(max(1, len(p.keywords)) if style == "turns" else 1 for p in chosen)
    each = max(1, round(wanted / max(1, briefs) / (1 if style == "turns" else 5)))
    limit = 40 if style == "turns" else 256
    seed = work.settings.seed
    found = attacked(model, constitution, each, only=only, way=style, max_tokens=limit, seed=seed)
    return fresh(work, found, "prompts that test principles")


def forecast(rows: Sequence[float], settings: Settings, **given: object) -> Load:
    wanted = float(str(given.get("n") or settings.prompts))
    return Load(0.7 * wanted, answers=wanted)


def lacks(have: Have, **settings: object) -> str:
    return (
        ""
        if have.chats or settings.get("way") != "turns"
        else "needs a chat template, to write in the user's place"
    )
