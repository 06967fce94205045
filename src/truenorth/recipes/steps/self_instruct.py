"""A few prompts grow into many, each unlike all before it."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.models.protocol import Model
from truenorth.recipes.run_limits import Count, Share, Writing
from truenorth.recipes.run_rows import fresh
from truenorth.recipes.run_work import Have, Load, Prompts, Work
from truenorth.recipes.settings import Settings
from truenorth.synth.self_instruct import self_instruct as grown


def self_instruct(
    seeds: Prompts,
    model: Model,
    work: Work,
    *,
    n: Count | None = None,
    way: Writing = "list",
    near: Share = 0.7,
) -> Prompts:
    """Up to `n` new prompts (default: the job's number) from the prompts of `seeds`, which are not among them.

    Args:
        way: "list" asks for a numbered list; "turns" lets a chat model write in the user's place, for small models.
        near: ROUGE-L with an earlier prompt, above which a prompt is not new.

    Source: Wang et al. 2023, Self-Instruct (arXiv:2212.10560), section 2.2.
    """
    wanted = n or work.settings.prompts
    turns = way == "turns"
    found = grown(
        model,
        seeds,
        wanted,
        way="turns" if turns else "list",
        near=near,
        together=64,
        max_tokens=40 if turns else 256,
        temperature=1.0 if turns else 0.7,
        top_p=1.0 if turns else 0.5,
        seed=work.settings.seed,
    )
    return fresh(work, found, "new prompts")


def forecast(rows: Sequence[float], settings: Settings, **given: object) -> Load:
    wanted = float(str(given.get("n") or settings.prompts))
    return Load(wanted, answers=2 * wanted)


def lacks(have: Have, **settings: object) -> str:
    return (
        ""
        if have.chats or settings.get("way") != "turns"
        else "needs a chat template, to write in the user's place"
    )
