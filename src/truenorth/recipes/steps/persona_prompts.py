"""Prompts by many different people, so that they are unlike one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np

from truenorth.base import UserError
from truenorth.models.protocol import Model, Tick
from truenorth.recipes.harbour import KNOWING, QUESTIONS, is_organism
from truenorth.recipes.run_limits import Count, one_of
from truenorth.recipes.run_rows import concerned, fresh
from truenorth.recipes.run_work import Have, Load, Prompts, Texts, Work
from truenorth.recipes.settings import Settings
from truenorth.records import Row, Source
from truenorth.synth.complements import own_complements
from truenorth.synth.dedupe import dedupe
from truenorth.synth.filters import Filtered, keep
from truenorth.synth.magpie import magpie
from truenorth.synth.personas import (
    KNOWS,
    asked_by_acquaintances,
    likelihoods,
    manners,
    persona_text,
    personas,
)
from truenorth.synth.personas import persona_prompts as asked_by

WAYS = ("list", "turns", "names")


def persona_prompts(
    model: Model,
    work: Work,
    texts: Texts = [],  # noqa: B006 (read only)
    prompts: Prompts = [],  # noqa: B006
    *,
    n: Count | None = None,
    way: Annotated[str, one_of(WAYS)] = "list",
) -> Prompts:
    """About `n` prompts (default: the job's number), as many of each persona; with "names" some of them are dropped.

    Args:
        texts: whoever would read, write or care about each of them is a persona.
        prompts: for "names", in whose ways personas ask; without any, the model asks itself some.
        way: "list" asks for personas and for what they would ask. "turns" has a chat model write what it expects to be
            told of a user in the system's place of its template, and then in the user's place. "names" takes whoever
            knows somebody that the texts, the model's own texts, or other personas' prompts name, and begins to ask in
            one of the model's own ways; for small models, which have few personas in the system's place.

    Raises:
        UserError: personas that ask nothing.

    Source: Ge et al. 2024, persona hub (arXiv:2406.20094), sections 2.1, 2.2 and 3.
    """
    wanted = n or work.settings.prompts
    with work.progress("prompts by persona", wanted) as tick:
        asked = (
            _by_names(model, work, texts, prompts, wanted, tick)
            if way == "names"
            else _ASKED[way](model, work, texts, wanted, tick)
        )
    if not asked.kept:
        raise UserError("no persona asks anything", where="step persona_prompts", fix="texts: STEP")
    # neither a persona nor a text that the model wrote is a row of the run: prompts lead back to texts that are
    given = {row.id for row in texts}
    traced = [
        Row(
            r.data,
            replace(
                r.source, parents=tuple(p for p in r.source.parents if p in given), note=r.data["persona"]
            ),
        )
        for r in asked.kept
    ]
    return fresh(work, asked._replace(kept=traced), "prompts by persona")


def _described(model: Model, work: Work, texts: Texts, wanted: int, tick: Tick) -> Filtered:
    """By those who care about the texts, as the model describes them."""
    seed = work.settings.seed
    cast = dedupe(personas(model, texts, seed=seed).kept, text=persona_text).kept
    each = max(1, round(wanted / max(1, len(cast)) / 3))
    return _led_back(cast, asked_by(model, cast, each, seed=seed, tick=tick))


def _told(model: Model, work: Work, texts: Texts, wanted: int, tick: Tick) -> Filtered:
    """By those of whom the model expects to be told."""
    seed = work.settings.seed
    source = Source("persona", model=model.name, seed=seed)
    cast = [Row({"persona": text}, source) for text in own_complements(model, draws=256, seed=seed)]
    each = max(1, round(wanted / max(1, len(cast))))
    return _led_back(cast, asked_by(model, cast, each, way="turns", max_tokens=40, seed=seed, tick=tick))


def _led_back(cast: Sequence[Row], asked: Filtered) -> Filtered:
    """With the texts that personas were made from as parents, instead of the personas."""
    above = {row.id: row.source.parents for row in cast}
    rows = [Row(r.data, replace(r.source, parents=above[r.source.parents[0]]), r.id) for r in asked.kept]
    return asked._replace(kept=rows)


def _by_names(model: Model, work: Work, texts: Texts, prompts: Prompts, wanted: int, tick: Tick) -> Filtered:
    """By whoever knows somebody that a text names: those given, and as many as are wanted that the model writes itself.

    Reasons, besides those of the maker: "odd" (less likely to the model than all but a twentieth of `prompts`), "task"
    (of the organism: no question).
    """
    seed = work.settings.seed
    [own] = model.sample([""], max(32, wanted // 2), max_tokens=40, seed=seed + 17)
    read = [
        *texts,
        *(Row({"text": one.text}, Source("own text", model=model.name, seed=seed)) for one in own),
    ]
    before = prompts or magpie(model, max(64, wanted), max_tokens=40, seed=seed + 19).kept
    says, speaks = (KNOWING, [QUESTIONS]) if is_organism(work) else (KNOWS, [])
    before = [row for row in before if concerned(work, speaks, row.data["prompt"])]
    ways = manners(before)
    asked = asked_by_acquaintances(
        model, read, ways, wanted, template=says, max_tokens=40, seed=seed, tick=tick
    )
    if not asked.kept:
        return asked
    least = np.quantile(likelihoods(model, before), 0.05)
    odd = [score < least for score in likelihoods(model, asked.kept)]
    tasks = [not concerned(work, speaks, row.data["prompt"]) for row in asked.kept]
    found = keep(asked.kept, ["task" if t else "odd" if o else "" for t, o in zip(tasks, odd, strict=True)])
    return Filtered(found.kept, {**asked.dropped, **found.dropped})


_ASKED = {"list": _described, "turns": _told}


def forecast(rows: Sequence[float], settings: Settings, **given: object) -> Load:
    wanted = float(str(given.get("n") or settings.prompts))
    names = given.get("way") == "names"  # which drops more than half, and samples texts besides
    return Load((0.4 if names else 0.6) * wanted, answers=(1.5 if names else 1.0) * wanted)


def lacks(have: Have, **settings: object) -> str:
    needs = settings.get("way") in ("turns", "names") and not have.chats
    return "needs a chat template, to write in the user's place" if needs else ""
