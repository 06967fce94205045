"""Prompts by many different people, so that they are unlike one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from truenorth.base import UserError
from truenorth.models.protocol import Model
from truenorth.recipes.run_rows import fresh
from truenorth.recipes.run_work import Have, Load, Prompts, Texts, Work
from truenorth.recipes.settings import Settings
from truenorth.records import Row, Source
from truenorth.synth.complements import own_complements
from truenorth.synth.dedupe import dedupe
from truenorth.synth.personas import persona_prompts as asked_by
from truenorth.synth.personas import persona_text, personas


def persona_prompts(
    model: Model,
    work: Work,
    texts: Texts = [],  # noqa: B006 (read only)
    *,
    n: int | None = None,
    way: str = "list",
) -> Prompts:
    """About `n` prompts (default: the job's number), as many of each persona.

    Args:
        texts: whoever would read, write or care about each of them is a persona.
        way: "list" asks for personas and for what they would ask; "turns" has a chat model write what it expects to be
            told of a user in the system's place of its template, and then in the user's place, for small models.

    Source: Ge et al. 2024, persona hub (arXiv:2406.20094), sections 2.1 and 3.
    """
    wanted, seed = n or work.settings.prompts, work.settings.seed
    if way == "turns":
        told = own_complements(model, draws=256, seed=seed)
        cast = [Row({"persona": text}, Source("persona", model=model.name, seed=seed)) for text in told]
    else:
        found = personas(model, texts, seed=seed)
        cast = dedupe(found.kept, text=persona_text).kept
    if not cast:
        raise UserError(
            "there are no personas", where="step persona_prompts", fix="texts: STEP, or way: turns"
        )
    each = max(1, round(wanted / max(1, len(cast)) / (1 if way == "turns" else 3)))
    with work.progress("prompts by persona", len(cast)) as tick:
        asked = asked_by(
            model,
            cast,
            each,
            way="turns" if way == "turns" else "list",
            max_tokens=40 if way == "turns" else 128,
            seed=seed,
            tick=tick,
        )
    # a persona is no row of the run: its prompts lead back to the text that it was made from
    above = {row.id: row.source.parents for row in cast}
    traced = [
        Row(r.data, replace(r.source, parents=above[r.source.parents[0]], note=r.data["persona"]))
        for r in asked.kept
    ]
    return fresh(work, asked._replace(kept=traced), "prompts by persona")


def forecast(rows: Sequence[float], settings: Settings, **given: object) -> Load:
    wanted = float(str(given.get("n") or settings.prompts))
    return Load(0.6 * wanted, answers=wanted)


def lacks(have: Have, **settings: object) -> str:
    needs = settings.get("way") == "turns" and not have.chats
    return "needs a chat template, to write in the user's place" if needs else ""
